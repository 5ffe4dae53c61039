// Neurons with memory in closed form: digits of weights and counts, their products, and what neurons have
// sent, against plain integers, by bytes.

#include "kernels/cuda/memory.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "kernels/cuda/program.h"
#include "kernels/math/memory.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

constexpr std::int32_t kMaxWeight = (1 << 21) - 1;

TEST(WeightDigits, GiveTheWeightBack) {
  for (const std::int32_t largest : {127, 32639, kMaxWeight}) {
    const int digits = cuda::WeightDigits(largest);
    for (std::int32_t weight = -largest; weight <= largest; weight += largest > 127 ? 13 : 1) {
      std::int32_t sum = 0;
      for (int d = digits - 1; d >= 0; --d) {
        sum = sum * 256 + cuda::WeightDigit(weight, d);
      }
      ASSERT_EQ(sum, weight);
    }
    ASSERT_EQ(cuda::WeightDigit(largest, digits), 0);
    ASSERT_EQ(cuda::WeightDigit(-largest, digits), 0);
  }
  EXPECT_EQ(cuda::WeightDigits(127), 1);
  EXPECT_EQ(cuda::WeightDigits(32639), 2);
  EXPECT_EQ(cuda::WeightDigits(32640), 3);
}

TEST(CountDigits, GiveTheCountBack) {
  Random random(2);
  for (int bits = 0; bits < 63; ++bits) {
    for (int i = 0; i < 50; ++i) {
      const std::int64_t largest = (std::int64_t{1} << bits) - 1;
      const std::int64_t count = i == 0 ? largest : (i == 1 ? -largest : random.Between(-largest, largest));
      const int planes = cuda::PlanesOf(count);
      ASSERT_LE(planes, cuda::kMostPlanes);
      std::int64_t sum = 0;
      for (int p = planes - 1; p >= 0; --p) {
        const std::int64_t digit = cuda::CountDigit(count, p);
        ASSERT_LE(std::abs(digit), cuda::kMostCountDigit);
        sum = sum * 128 + digit;
      }
      ASSERT_EQ(sum, count);
      ASSERT_EQ(cuda::PlanesOf(largest), std::max(1, (bits + 6) / 7));
    }
  }
}

TEST(ByteSums, FitWhileNoSumOfDigitsPassesAnInt32) {
  const std::int64_t most = INT32_MAX / (127 * 127);
  const std::vector<std::int32_t> fits(static_cast<std::size_t>(most), 127);
  const std::vector<std::int32_t> passes(static_cast<std::size_t>(most) + 1, -127);
  EXPECT_TRUE(cuda::ByteSumsFit(fits.data(), most, 1));
  EXPECT_FALSE(cuda::ByteSumsFit(passes.data(), most + 1, 1));
}

TEST(RoundWhole, RoundsTiesToEvenWithin62Bits) {
  EXPECT_EQ(math::RoundWhole(2.5), 2);
  EXPECT_EQ(math::RoundWhole(-3.5), -4);
  EXPECT_EQ(math::RoundWhole(1e30), std::int64_t{1} << 62);
  EXPECT_EQ(math::RoundWhole(-1e30), -(std::int64_t{1} << 62));
  EXPECT_EQ(math::RoundWhole(std::nan("")), std::int64_t{1} << 62);
}

// One dense layer of neurons behind whatever its rows hold.
class MemoryLayer : public DeviceTest {
 protected:
  static constexpr std::int64_t kRows = 5, kIn = 37, kOut = 21;

  MemoryLayer() {
    for (std::int64_t i = 0; i < kIn * kOut; ++i) {
      weights_.push_back(static_cast<std::int32_t>(random_.Between(-kMaxWeight, kMaxWeight)));
    }
    for (std::int64_t j = 0; j < kOut; ++j) {
      bias_.push_back(random_.Between(-100000, 100000));
      start_.push_back(random_.Between(0, 1 << 20));
      shift_.push_back(static_cast<std::uint8_t>(random_.Between(18, 24)));
    }
  }

  std::vector<std::int32_t> Counts(std::int32_t largest) {
    std::vector<std::int32_t> counts;
    for (std::int64_t i = 0; i < kRows * kIn; ++i) {
      counts.push_back(static_cast<std::int32_t>(random_.Between(-largest, largest)));
    }
    return counts;
  }

  // The calls of the layer with room for so many digits.
  cuda::Program Layer(const std::vector<std::int32_t>& counts, int planes) {
    const cuda::PackedBytes packed = cuda::PackBytes(weights_.data(), kIn, kOut);
    const auto lines = static_cast<std::size_t>(planes * kRows);
    needed_ = Put(std::vector<std::int32_t>{0});
    untold_ = Put(std::vector<std::int32_t>(kRows, 0));
    cuda::TakeCells take;
    take.rows = kRows;
    take.size = kIn;
    take.source = {Put(counts), cuda::WholeType::kInt32, kIn};
    take.stride = packed.depth;
    take.digits = Make<std::int8_t>(lines * static_cast<std::size_t>(packed.depth));
    take.room = {planes, needed_, untold_};
    cuda::ByteProduct product;
    product.rows = planes * kRows;
    product.depth = product.stride = packed.depth;
    product.columns = packed.digits * packed.width;
    product.cells = take.digits;
    product.digits = Put(packed.bytes);
    product.sums = Make<std::int32_t>(lines * static_cast<std::size_t>(product.columns));
    cuda::MemoryTerm term;
    term.sums = product.sums;
    term.rows = kRows;
    term.channels = kOut;
    term.width = packed.width;
    term.planes = planes;
    term.digits = packed.digits;
    return {take, product, Neurons(term)};
  }

  cuda::MemoryNeurons Neurons(const cuda::MemoryTerm& term) {
    cuda::MemoryNeurons neurons;
    neurons.samples = kRows;
    neurons.size = kOut;
    neurons.terms[0] = term;
    neurons.term_count = 1;
    neurons.clock = Put(std::vector<std::int64_t>(kRows, kSteps + 2));
    neurons.age = 2;
    neurons.bias = Put(bias_);
    neurons.start = Put(start_);
    neurons.shift = Put(shift_);
    neurons.slope = slope_;
    neurons.most_steps = INT64_MAX;
    neurons.layer = 3;
    neurons.failed = failed_ = Put(std::vector<std::int32_t>(kRows, cuda::kNotFailed));
    neurons.counts = sent_ = Make<std::int32_t>(kRows * kOut);
    neurons.stride = cuda::PadBytes(kOut);
    neurons.digits = digits_ = Make<std::int8_t>(static_cast<std::size_t>(4 * kRows * neurons.stride));
    neurons.room = {4, needed_, untold_};
    neurons.sample_spikes = spikes_ = Put(std::vector<std::int64_t>(kRows, 7));
    return neurons;
  }

  std::vector<std::int32_t> Wanted(const std::vector<std::int32_t>& counts) const {
    std::vector<std::int32_t> wanted;
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t j = 0; j < kOut; ++j) {
        const auto at = static_cast<std::size_t>(j);
        std::int64_t z = kSteps * bias_[at];
        for (std::int64_t k = 0; k < kIn; ++k) {
          z += std::int64_t{counts[static_cast<std::size_t>(row * kIn + k)]} *
               weights_[static_cast<std::size_t>(k * kOut + j)];
        }
        const std::int64_t sent = slope_ == 0 ? math::SentRectified(z, start_[at], shift_[at])
                                              : math::SentLeaky(z, start_[at], shift_[at], slope_);
        wanted.push_back(static_cast<std::int32_t>(sent));
      }
    }
    return wanted;
  }

  void ExpectSent(const std::vector<std::int32_t>& counts) {
    const std::vector<std::int32_t> wanted = Wanted(counts);
    ASSERT_TRUE(SameBytes(Get(sent_, wanted.size()), wanted));
    const std::vector<std::int8_t> digits =
        Get(digits_, static_cast<std::size_t>(4 * kRows * cuda::PadBytes(kOut)));
    const std::vector<std::int64_t> spikes = Get(spikes_, kRows);
    for (std::int64_t row = 0; row < kRows; ++row) {
      std::int64_t sum = 7;
      for (std::int64_t j = 0; j < cuda::PadBytes(kOut); ++j) {
        const std::int64_t count = j < kOut ? wanted[static_cast<std::size_t>(row * kOut + j)] : 0;
        sum += std::abs(count);
        for (int p = 0; p < 4; ++p) {
          const auto at = static_cast<std::size_t>((p * kRows + row) * cuda::PadBytes(kOut) + j);
          ASSERT_EQ(digits[at], cuda::CountDigit(count, p));
        }
      }
      EXPECT_EQ(spikes[static_cast<std::size_t>(row)], sum);
    }
  }

  static constexpr std::int64_t kSteps = 9;
  Random random_{11};
  std::vector<std::int32_t> weights_;
  std::vector<std::int64_t> bias_, start_;
  std::vector<std::uint8_t> shift_;
  std::int64_t slope_ = 0;
  std::int32_t* needed_ = nullptr;
  std::int32_t* untold_ = nullptr;
  std::int32_t* failed_ = nullptr;
  std::int32_t* sent_ = nullptr;
  std::int8_t* digits_ = nullptr;
  std::int64_t* spikes_ = nullptr;
};

TEST_P(MemoryLayer, SendsWhatIntegersGive) {
  for (const std::int64_t slope : {0, -8192}) {
    slope_ = slope;
    for (const auto& [largest, planes] : {std::pair{127, 1}, {16383, 2}, {16383, 3}, {2000000, 3}}) {
      const std::vector<std::int32_t> counts = Counts(largest);
      Run(Layer(counts, planes));
      ExpectSent(counts);
      EXPECT_EQ(Get(needed_, 1)[0], 0);
    }
  }
}

TEST_P(MemoryLayer, SaysHowManyDigitsItNeeds) {
  std::vector<std::int32_t> counts = Counts(127);
  counts[2 * kIn + 5] = -16384;
  Run(Layer(counts, 1));
  EXPECT_EQ(Get(needed_, 1)[0], 3);
  const std::vector<std::int32_t> untold = Get(untold_, kRows);
  for (std::int64_t row = 0; row < kRows; ++row) {
    EXPECT_EQ(untold[static_cast<std::size_t>(row)], row == 2 ? 1 : 0);
  }
}

TEST_P(MemoryLayer, FailsWhereNumbersLeaveTheirRange) {
  const std::int64_t most = std::int64_t{1} << 60;
  for (const std::int64_t step : {std::int64_t{1}, most / kSteps, most / kSteps + 1, INT64_MAX / 2}) {
    shift_.assign(kOut, 40);
    bias_.assign(kOut, 0);
    needed_ = Put(std::vector<std::int32_t>{0});
    untold_ = Put(std::vector<std::int32_t>(kRows, 0));
    std::vector<std::int64_t> wholes(kRows * kOut, 0);
    wholes[3 * kOut + 4] = step;
    cuda::MemoryTerm term;
    term.wholes = Put(wholes);
    term.per_step = true;
    Run({Neurons(term)});
    const std::vector<std::int32_t> failed = Get(failed_, kRows);
    EXPECT_EQ(failed[3], step <= most / kSteps ? cuda::kNotFailed : 4) << step;
    EXPECT_EQ(failed[2], cuda::kNotFailed);
  }
}

SPIKESERVE_ON_DEVICES(MemoryLayer);

// Convolutions, weights that are sparse, sums under windows: by bytes or by plain loops, the same.
class MemoryProducts : public DeviceTest {};

TEST_P(MemoryProducts, ColumnsOfBytesGiveWhatPlainLoopsDo) {
  Random random(5);
  for (int i = 0; i < 20; ++i) {
    cuda::ConvMap map;
    map.in_channels = static_cast<std::int32_t>(random.Between(1, 20));
    map.out_channels = static_cast<std::int32_t>(random.Between(1, 9));
    map.in_height = static_cast<std::int32_t>(random.Between(3, 7));
    map.in_width = static_cast<std::int32_t>(random.Between(3, 7));
    map.kernel_height = static_cast<std::int32_t>(random.Between(1, 3));
    map.kernel_width = static_cast<std::int32_t>(random.Between(1, 3));
    map.pad_top = static_cast<std::int32_t>(random.Between(0, 1));
    map.pad_left = static_cast<std::int32_t>(random.Between(0, 1));
    map.stride_x = static_cast<std::int32_t>(random.Between(1, 2));
    map.out_height = map.in_height + map.pad_top - map.kernel_height + 1;
    map.out_width = (map.in_width + map.pad_left - map.kernel_width) / map.stride_x + 1;
    const std::int64_t rows = 4, depth = cuda::Depth(map), pixels = cuda::Pixels(map);
    const std::int64_t in = std::int64_t{map.in_height} * map.in_width * map.in_channels;
    const std::int64_t stride = cuda::PadBytes(in);
    std::vector<std::int32_t> weights;
    for (std::int64_t w = 0; w < depth * map.out_channels; ++w) {
      weights.push_back(static_cast<std::int32_t>(random.Between(-127, 127)));
    }
    std::vector<std::int8_t> cells(static_cast<std::size_t>(rows * stride), 0);
    std::vector<std::int32_t> counts(static_cast<std::size_t>(rows * in));
    for (std::int64_t c = 0; c < rows * in; ++c) {
      counts[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(random.Between(-127, 127));
      cells[static_cast<std::size_t>(c / in * stride + c % in)] =
          static_cast<std::int8_t>(counts[static_cast<std::size_t>(c)]);
    }
    const cuda::PackedBytes packed = cuda::PackBytes(weights.data(), depth, map.out_channels);
    auto* const columns = Make<std::int8_t>(static_cast<std::size_t>(rows * pixels * packed.depth));
    auto* const sums = Make<std::int32_t>(static_cast<std::size_t>(rows * pixels * packed.width));
    cuda::WholeProduct whole;
    whole.weights.shape = cuda::ProductShape::kConv;
    whole.weights.in = in;
    whole.weights.out = pixels * map.out_channels;
    whole.weights.conv = map;
    whole.weights.integers = Put(weights);
    whole.rows = rows;
    whole.cells = {Put(counts), cuda::WholeType::kInt32, in};
    whole.sums = Make<std::int64_t>(static_cast<std::size_t>(rows * whole.weights.out));
    whole.about = Make<double>(static_cast<std::size_t>(rows * whole.weights.out));
    Run({cuda::ByteColumns{rows, Put(cells), stride, map, packed.depth, columns},
         cuda::ByteProduct{rows * pixels, packed.depth, packed.width, columns, packed.depth,
                           Put(packed.bytes), sums},
         whole});
    const auto got = Get(sums, static_cast<std::size_t>(rows * pixels * packed.width));
    const auto wanted = Get(whole.sums, static_cast<std::size_t>(rows * whole.weights.out));
    for (std::int64_t at = 0; at < rows * whole.weights.out; ++at) {
      ASSERT_EQ(got[static_cast<std::size_t>(at / map.out_channels * packed.width + at % map.out_channels)],
                wanted[static_cast<std::size_t>(at)]);
    }
  }
}

TEST_P(MemoryProducts, WindowsAreSummedBeforeTheirDigits) {
  const std::vector<std::uint8_t> bytes = {200, 255, 0, 1, 100, 127};  // [2][3]
  cuda::TakeCells take;
  take.rows = 2;
  take.size = 2;
  take.source = {Put(bytes), cuda::WholeType::kByte, 3};
  take.start = Put(std::vector<std::int64_t>{0, 2, 3});
  take.index = Put(std::vector<std::int32_t>{0, 1, 2});
  take.cells = Make<std::int64_t>(4);
  Run({take});
  EXPECT_EQ(Get(take.cells, 4), (std::vector<std::int64_t>{455, 0, 101, 127}));
}

TEST_P(MemoryProducts, ValuesAreRoundedStepByStep) {
  cuda::RoundCharges round;
  round.rows = 1;
  round.steps = 3;
  round.size = 2;
  round.sums = Put(std::vector<float>{0.5F, 1, 1.5F, 2, 2.5F, -3});
  round.scale = Put(std::vector<float>{1, 0.5F});
  round.unit = Put(std::vector<double>{1, 3});
  round.adds = true;
  round.wholes = Put(std::vector<std::int64_t>{10, std::int64_t{1} << 61});
  Run({round});
  EXPECT_EQ(Get(round.wholes, 2)[0], 10 + 0 + 2 + 2);
  EXPECT_EQ(Get(round.wholes, 2)[1], std::int64_t{1} << 61);  // left its range before
}

TEST_P(MemoryProducts, FoldsKnowWhatWasSent) {
  cuda::SetFold set;
  set.samples = 2;
  set.size = 2;
  set.counts = Put(std::vector<std::int32_t>{5, 6, 7, 8});
  set.before = Put(std::vector<std::int32_t>{3, 6, 8, 0});
  set.state.skip = 4;
  set.state.clock = Put(std::vector<std::int64_t>{4, 9});
  set.state.total = Make<double>(4);
  set.state.start = Put(std::vector<double>{1, 1, 1, 1});
  set.state.last = Make<float>(4);
  Run({set});
  EXPECT_EQ(Get(set.state.total, 4), (std::vector<double>{5, 6, 7, 8}));
  EXPECT_EQ(Get(set.state.start, 4), (std::vector<double>{5, 6, 1, 1}));
  EXPECT_EQ(Get(set.state.last, 4), (std::vector<float>{2, 0, -1, 8}));
}

SPIKESERVE_ON_DEVICES(MemoryProducts);

}  // namespace
}  // namespace spikeserve::testing
