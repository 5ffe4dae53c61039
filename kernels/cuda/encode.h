#pragma once

#include <cstdint>

#include "kernels/math/annotations.h"
#include "kernels/math/encoding.h"

// Inputs that become spikes on the device: one value per element goes up, its spikes are made anew at every
// step, as Encode of the engine makes them.
namespace spikeserve::cuda {

// out[sample][step][j]: the spikes of element j at the step times their worth. One thread per four elements,
// which share a block of random words.
struct Encode {
  std::int64_t samples = 0, steps = 0, size = 0;
  math::EncodingConstants encoding;
  float worth = 1;                              // of one spike
  const std::uint64_t* seed = nullptr;          // of the random kinds, as input and sample_index
  std::uint32_t input = 0;                      // in Network::inputs() order
  const std::uint32_t* sample_index = nullptr;  // [samples]: places in the request
  const std::int64_t* clock = nullptr;          // [samples]: steps done before this chunk
  const float* values = nullptr;                // [samples][size]: x
  float* out = nullptr;                         // [samples][steps][size]
};

constexpr std::int64_t kEncodedTogether = 4;

SPIKESERVE_HOST_DEVICE constexpr std::int64_t BlocksOf(const Encode& encode) {
  return (encode.size + kEncodedTogether - 1) / kEncodedTogether;
}

constexpr std::int64_t Threads(const Encode& encode) {
  return encode.samples * encode.steps * BlocksOf(encode);
}

SPIKESERVE_HOST_DEVICE void RunThread(const Encode& encode, std::int64_t thread) {
  const std::int64_t blocks = BlocksOf(encode);
  const std::int64_t row = thread / blocks;
  const std::int64_t first = thread % blocks * kEncodedTogether;
  const std::int64_t sample = row / encode.steps;
  math::EncodingSite site;
  site.sample = encode.sample_index[sample];
  site.input = encode.input;
  site.element = static_cast<std::uint32_t>(first);
  site.step = static_cast<std::uint32_t>(encode.clock[sample] + row % encode.steps + 1);
  const bool random = math::IsRandom(encode.encoding.kind);
  site.seed = random ? *encode.seed : 0;
  const math::PhiloxBlock block = random ? math::EncodingBlock(site) : math::PhiloxBlock{};
  for (std::int64_t i = 0; i < kEncodedTogether && first + i < encode.size; ++i) {
    const auto x = static_cast<double>(encode.values[sample * encode.size + first + i]);
    const std::int32_t spikes = math::EncodedSpikes(encode.encoding, x, site.step, block.word[i]);
    encode.out[row * encode.size + first + i] = static_cast<float>(spikes) * encode.worth;
  }
}

}  // namespace spikeserve::cuda
