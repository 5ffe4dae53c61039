#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/math/activation.h"
#include "kernels/math/annotations.h"

// Small work on elements, each too simple for a file of its own. One thread per element, row or sample.
namespace spikeserve::cuda {

// out[row][c] = sum of the source elements of cell c, added in their order; zeros from `size` to `stride`.
struct Gather {
  std::int64_t rows = 0, size = 0;  // cells of a row
  Cells source;
  const std::int64_t* start = nullptr;
  const std::int32_t* index = nullptr;
  void* out = nullptr;  // [rows][stride]
  CellType type = CellType::kHalf;
  std::int64_t stride = 0;
};

constexpr std::int64_t Threads(const Gather& gather) { return gather.rows * gather.stride; }

SPIKESERVE_HOST_DEVICE void RunThread(const Gather& gather, std::int64_t thread) {
  const std::int64_t first = thread / gather.stride * gather.source.stride;
  const std::int64_t c = thread % gather.stride;
  const std::int64_t begin = c < gather.size ? gather.start[c] : 0;
  const std::int64_t end = c < gather.size ? gather.start[c + 1] : 0;
  if (gather.type == CellType::kFloat) {
    float sum = 0.0F;
    for (std::int64_t e = begin; e < end; ++e) {
      sum += LoadFloat(gather.source, first + gather.index[e]);
    }
    static_cast<float*>(gather.out)[thread] = sum;
    return;
  }
  std::uint32_t sum = 0;  // wraps where the sample has left its range, which its status says
  for (std::int64_t e = begin; e < end; ++e) {
    sum += static_cast<std::uint32_t>(LoadCount(gather.source, first + gather.index[e]));
  }
  StoreCount(gather.out, gather.type, thread, static_cast<std::int32_t>(sum));
}

// values[i] = bytes[i] * scale + offset, rounded once.
struct ConvertBytes {
  std::int64_t count = 0;
  const std::uint8_t* bytes = nullptr;
  float scale = 1, offset = 0;
  float* values = nullptr;
};

constexpr std::int64_t Threads(const ConvertBytes& convert) { return convert.count; }

SPIKESERVE_HOST_DEVICE void RunThread(const ConvertBytes& convert, std::int64_t thread) {
  convert.values[thread] = fmaf(static_cast<float>(convert.bytes[thread]), convert.scale, convert.offset);
}

// The same row for every sample: initial voltages.
struct Broadcast {
  std::int64_t samples = 0, size = 0;
  const float* row = nullptr;
  float* out = nullptr;
};

constexpr std::int64_t Threads(const Broadcast& broadcast) { return broadcast.samples * broadcast.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const Broadcast& broadcast, std::int64_t thread) {
  broadcast.out[thread] = broadcast.row[thread % broadcast.size];
}

// The clocks of samples: steps done, read by whatever depends on them.
struct AdvanceClock {
  std::int64_t samples = 0;
  std::int64_t* clock = nullptr;
  std::int64_t steps = 0;
};

constexpr std::int64_t Threads(const AdvanceClock& advance) { return advance.samples; }

SPIKESERVE_HOST_DEVICE void RunThread(const AdvanceClock& advance, std::int64_t thread) {
  advance.clock[thread] += advance.steps;
}

// A function of the values of rows, in place.
enum class ActivationKind { kLeakyRelu, kSoftmax };
struct Activate {
  std::int64_t rows = 0, length = 0;
  ActivationKind kind = ActivationKind::kSoftmax;
  float slope = 0;
  float* values = nullptr;  // [rows][length]
};

constexpr std::int64_t Threads(const Activate& activate) {
  return activate.kind == ActivationKind::kSoftmax ? activate.rows : activate.rows * activate.length;
}

SPIKESERVE_HOST_DEVICE void RunThread(const Activate& activate, std::int64_t thread) {
  if (activate.kind == ActivationKind::kSoftmax) {
    math::Softmax(activate.values + thread * activate.length, activate.length);
  } else {
    activate.values[thread] = math::LeakyRelu(activate.values[thread], activate.slope);
  }
}

}  // namespace spikeserve::cuda
