// General filters and delays of terms and probes against the CPU's filter banks, by bytes and in chunks.

#include "server/engine/cuda/layout/filters.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/cpu/filter.h"
#include "kernels/cuda/program.h"
#include "server/engine/network/synapse_filter.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/every_kind.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

constexpr std::int64_t kSamples = 3;
constexpr std::int64_t kSize = 37;
constexpr std::int64_t kSteps = 60;
constexpr double kDt = 0.001;

class Filters : public DeviceTest {
 protected:
  // [sample][step][element]
  static std::vector<float> OnCpu(const kernels::FilterConstants& constants, const std::vector<float>& in) {
    std::vector<float> out = in;
    const auto shared = std::make_shared<const kernels::FilterConstants>(constants);
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      kernels::FilterBank bank(shared, kSize);
      for (std::int64_t step = 0; step < kSteps; ++step) {
        bank.Step(std::span(out).subspan(static_cast<std::size_t>((sample * kSteps + step) * kSize), kSize));
      }
    }
    return out;
  }

  static std::vector<float> Chunk(const std::vector<float>& all, std::int64_t from, std::int64_t steps) {
    std::vector<float> chunk;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      const auto first = all.begin() + (sample * kSteps + from) * kSize;
      chunk.insert(chunk.end(), first, first + steps * kSize);
    }
    return chunk;
  }

  cuda::Filter MakeFilter(const kernels::FilterConstants& constants, const std::int64_t* clock) {
    const std::vector<float>* const weights = engine::FilterWeights(constants);
    const float* const on_device = weights == nullptr ? nullptr : Put(*weights);
    engine::CudaArena counting;
    engine::TakeFilter(constants, kSamples, kSize, nullptr, nullptr, counting);
    engine::CudaArena arena(
        Put(std::vector<std::byte>(static_cast<std::size_t>(counting.used() + 1), std::byte{0})));
    return engine::TakeFilter(constants, kSamples, kSize, on_device, clock, arena);
  }

  // Runs the chunks one after the other and compares each; `call` makes the call for a chunk's input.
  template <typename MakeCall>
  void ExpectSame(const kernels::FilterConstants& constants, const std::vector<float>& in, MakeCall call) {
    const std::vector<float> wanted = OnCpu(constants, in);
    auto* const clock = Put(std::vector<std::int64_t>(kSamples, 0));
    const cuda::Filter filter = MakeFilter(constants, clock);
    std::int64_t done = 0;
    for (const std::int64_t steps : {std::int64_t{1}, std::int64_t{2}, std::int64_t{30}, kSteps - 33}) {
      const auto count = static_cast<std::size_t>(kSamples * steps * kSize);
      auto* const out = Make<float>(count);
      Run({call(Chunk(in, done, steps), steps, filter, out), cuda::AdvanceClock{kSamples, clock, steps}});
      EXPECT_TRUE(SameBytes(Get(out, count), Chunk(wanted, done, steps))) << "steps from " << done;
      done += steps;
    }
  }
};

TEST_P(Filters, OfProbesAreThoseOfTheCpu) {
  Random random(1);
  const std::vector<float> in = random.Floats(kSamples * kSteps * kSize, -1, 2);
  for (const std::int64_t delay : {0, 1, 7}) {
    for (std::size_t i = 0; i < EverySynapse().size(); ++i) {
      SCOPED_TRACE(::testing::Message() << "synapse " << i << ", delay " << delay);
      ExpectSame(engine::MakeFilter(EverySynapse()[i], delay, kDt), in,
                 [this](const std::vector<float>& chunk, std::int64_t steps, const cuda::Filter& filter,
                        float* out) {
                   return cuda::FilteredCells{
                       kSamples, steps, kSize, {Put(chunk), cuda::CellType::kFloat, kSize}, 1, filter, out};
                 });
    }
  }
}

// Sums become currents before they are filtered: scaled, offset, and put together from digits.
TEST_P(Filters, OfTermsAreThoseOfTheCpu) {
  Random random(2);
  const std::vector<float> sums = random.Floats(kSamples * kSteps * kSize, -1000, 2000);
  const std::vector<float> scale = random.Floats(kSize, 0.001, 0.01);
  const std::vector<float> offset = random.Floats(kSize, -1, 1);
  std::vector<float> currents;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const float scaled = sums[i] * scale[i % kSize];
    currents.push_back(scaled + offset[i % kSize]);
  }
  for (std::size_t i = 0; i < EverySynapse().size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "synapse " << i);
    std::int64_t done = 0;
    ExpectSame(engine::MakeFilter(EverySynapse()[i], 2, kDt), currents,
               [&](const std::vector<float>&, std::int64_t steps, const cuda::Filter& filter, float* out) {
                 cuda::ScanTerm term;
                 term.high = Put(Chunk(sums, done, steps));
                 term.channels = term.stride = kSize;
                 term.scale = Put(scale);
                 term.offset = Put(offset);
                 done += steps;
                 return cuda::FilteredTerm{kSamples, steps, kSize, term, filter, out};
               });
  }
}

// The samples of a group find their own state.
TEST_P(Filters, OfALaterGroupWorkOnTheirOwnSamples) {
  Random random(3);
  const std::vector<float> in = random.Floats(kSamples * kSteps * kSize, -1, 2);
  for (std::size_t i = 0; i < EverySynapse().size(); ++i) {
    const kernels::FilterConstants constants = engine::MakeFilter(EverySynapse()[i], 3, kDt);
    const std::vector<float> wanted = OnCpu(constants, in);
    const cuda::Filter filter = MakeFilter(constants, Put(std::vector<std::int64_t>(kSamples, 0)));
    const std::size_t count = in.size();
    float* const out = Make<float>(count);
    const float* const device_in = Put(in);
    cuda::Program program;
    for (const std::int64_t first : {0, 1}) {  // one sample, then the other two
      const std::int64_t at = first * kSteps * kSize;
      program.emplace_back(cuda::FilteredCells{first == 0 ? 1 : kSamples - 1,
                                               kSteps,
                                               kSize,
                                               {device_in + at, cuda::CellType::kFloat, kSize},
                                               1,
                                               engine::From(filter, first, kSize),
                                               out + at});
    }
    Run(program);
    EXPECT_TRUE(SameBytes(Get(out, count), wanted)) << "synapse " << i;
  }
}

SPIKESERVE_ON_DEVICES(Filters);

}  // namespace
}  // namespace spikeserve::testing
