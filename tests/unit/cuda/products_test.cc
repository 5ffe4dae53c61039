// Products by plain loops and by columns of digits, against the CPU's, by bytes.

#include <gtest/gtest.h>

#include <vector>

#include "kernels/cpu/population.h"
#include "kernels/cpu/product.h"
#include "kernels/cuda/program.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using cuda::CellType;
using kernels::Product;
using kernels::ProductKind;

constexpr std::int32_t kMaxWeight = (1 << 21) - 1;
constexpr std::int64_t kRows = 11;  // no multiple of what a thread takes

void FillWeights(Random& random, Product& product, std::int64_t count, std::int32_t largest) {
  for (std::int64_t i = 0; i < count; ++i) {
    product.integers.push_back(static_cast<std::int32_t>(random.Between(-largest, largest)));
    product.floats.push_back(static_cast<float>(random.Uniform(-1, 1)));
  }
}

Product Dense(Random& random, std::int32_t largest = kMaxWeight) {
  Product product;
  product.in = random.Between(1, 70);
  product.out = random.Between(1, 40);
  FillWeights(random, product, product.in * product.out, largest);
  return product;
}

Product Conv(Random& random, std::int64_t groups, std::int32_t largest = kMaxWeight) {
  Product product;
  product.kind = ProductKind::kConv;
  kernels::ConvGeometry& g = product.conv;
  g.groups = groups;
  g.in_channels = groups * random.Between(1, random.Chance(0.5) ? 4 : 12);
  g.out_channels = groups * random.Between(1, 5);
  g.in_height = random.Between(3, 9);
  g.in_width = random.Between(3, 9);
  g.kernel_height = random.Between(1, 3);
  g.kernel_width = random.Between(1, 3);
  g.stride_y = random.Between(1, 2);
  g.stride_x = random.Between(1, 3);
  g.dilation_y = g.in_height >= 5 ? random.Between(1, 2) : 1;
  g.dilation_x = g.in_width >= 5 ? random.Between(1, 2) : 1;
  g.pad_top = random.Between(0, 2);
  g.pad_left = random.Between(0, 2);
  const std::int64_t after_y = random.Between(0, 2);
  const std::int64_t after_x = random.Between(0, 2);
  g.out_height =
      (g.in_height + g.pad_top + after_y - (g.kernel_height - 1) * g.dilation_y - 1) / g.stride_y + 1;
  g.out_width =
      (g.in_width + g.pad_left + after_x - (g.kernel_width - 1) * g.dilation_x - 1) / g.stride_x + 1;
  product.in = g.in_height * g.in_width * g.in_channels;
  product.out = g.out_height * g.out_width * g.out_channels;
  FillWeights(random, product, g.kernel_height * g.kernel_width * g.in_channels / groups * g.out_channels,
              largest);
  return product;
}

Product Sparse(Random& random) {
  Product product;
  product.kind = ProductKind::kSparse;
  product.in = random.Between(1, 60);
  product.out = random.Between(1, 50);
  product.sparse_start = {0};
  for (std::int64_t k = 0; k < product.in; ++k) {
    for (std::int32_t row = 0; row < product.out; ++row) {
      if (random.Chance(0.2)) {
        product.sparse_row.push_back(row);
      }
    }
    product.sparse_start.push_back(static_cast<std::int64_t>(product.sparse_row.size()));
  }
  FillWeights(random, product, static_cast<std::int64_t>(product.sparse_row.size()), kMaxWeight);
  return product;
}

cuda::ConvMap MapOf(const kernels::ConvGeometry& g) {
  const auto narrow = [](std::int64_t value) { return static_cast<std::int32_t>(value); };
  return {narrow(g.in_height), narrow(g.in_width),     narrow(g.in_channels),   narrow(g.out_height),
          narrow(g.out_width), narrow(g.out_channels), narrow(g.kernel_height), narrow(g.kernel_width),
          narrow(g.stride_y),  narrow(g.stride_x),     narrow(g.dilation_y),    narrow(g.dilation_x),
          narrow(g.pad_top),   narrow(g.pad_left),     narrow(g.groups)};
}

class Products : public DeviceTest {
 protected:
  // The product on the device's side. Sparse ones by output.
  cuda::DirectProduct OnDevice(const Product& product) {
    cuda::DirectProduct direct;
    direct.rows = kRows;
    direct.in = product.in;
    direct.out = product.out;
    direct.conv = MapOf(product.conv);
    std::vector<std::int32_t> integers = product.integers;
    std::vector<float> floats = product.floats;
    if (product.kind == ProductKind::kSparse) {
      SetSparse(product, integers, floats, direct);
    } else {
      direct.shape =
          product.kind == ProductKind::kConv ? cuda::ProductShape::kConv : cuda::ProductShape::kDense;
    }
    direct.integers = Put(integers);
    direct.floats = Put(floats);
    direct.sums = Make<float>(static_cast<std::size_t>(kRows * product.out));
    return direct;
  }

  std::vector<float> SumsOf(const cuda::DirectProduct& direct) {
    Run({direct});
    return Get(direct.sums, static_cast<std::size_t>(kRows * direct.out));
  }

  template <typename Cell>
  void ExpectCounts(const Product& product, CellType type, std::int64_t largest, bool wide, Random& random) {
    cuda::DirectProduct direct = OnDevice(product);
    std::vector<std::int32_t> counts(static_cast<std::size_t>(kRows * product.in));
    std::vector<Cell> cells(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] = static_cast<std::int32_t>(random.Chance(0.3) ? 0 : random.Between(0, largest));
      if constexpr (std::is_same_v<Cell, cuda::Half>) {
        cells[i] = cuda::HalfOf(counts[i]);
      } else {
        cells[i] = static_cast<Cell>(counts[i]);
      }
    }
    direct.cells = {Put(cells), type, product.in};
    direct.floats = nullptr;
    direct.wide = wide;
    EXPECT_TRUE(SameBytes(SumsOf(direct), RoundedSums(product, counts)));
  }

  static std::vector<float> RoundedSums(const Product& product, const std::vector<std::int32_t>& counts) {
    std::vector<std::int64_t> sums(static_cast<std::size_t>(product.out));
    std::vector<float> rounded;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto in = static_cast<std::size_t>(product.in);
      kernels::Accumulate(product, std::span(counts).subspan(static_cast<std::size_t>(row) * in, in), sums);
      for (const std::int64_t sum : sums) {
        rounded.push_back(static_cast<float>(sum));
      }
    }
    return rounded;
  }

  void ExpectFloats(const Product& product, bool integer_weights, Random& random) {
    cuda::DirectProduct direct = OnDevice(product);
    const std::vector<float> values = random.Floats(kRows * product.in, -2, 2);
    direct.cells = {Put(values), CellType::kFloat, product.in};
    direct.floats = integer_weights ? nullptr : direct.floats;
    const std::vector<float> weights =
        integer_weights ? std::vector<float>(product.integers.begin(), product.integers.end())
                        : product.floats;
    std::vector<float> wanted;
    std::vector<float> sums(static_cast<std::size_t>(product.out));
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto in = static_cast<std::size_t>(product.in);
      kernels::Accumulate(product, weights, std::span(values).subspan(static_cast<std::size_t>(row) * in, in),
                          sums);
      wanted.insert(wanted.end(), sums.begin(), sums.end());
    }
    EXPECT_TRUE(SameBytes(SumsOf(direct), wanted));
  }

  void ExpectAll(const Product& product, std::uint64_t seed) {
    Random random(seed);
    ExpectCounts<cuda::Half>(product, CellType::kHalf, cuda::kLargestHalfCount, true, random);
    ExpectCounts<cuda::Half>(product, CellType::kHalf, 5, false, random);
    ExpectCounts<std::uint8_t>(product, CellType::kByte, 255, true, random);
    ExpectCounts<std::uint8_t>(product, CellType::kByte, 5, false, random);
    ExpectCounts<std::int32_t>(product, CellType::kInt32, (1 << 24) - 1, true, random);
    ExpectCounts<std::int32_t>(product, CellType::kInt32, 5, false, random);
    ExpectFloats(product, false, random);
    ExpectFloats(product, true, random);
  }

 private:
  void SetSparse(const Product& product, std::vector<std::int32_t>& integers, std::vector<float>& floats,
                 cuda::DirectProduct& direct) {
    std::vector<std::int64_t> start{0};
    std::vector<std::int32_t> cell;
    integers.clear();
    floats.clear();
    for (std::int64_t row = 0; row < product.out; ++row) {
      for (std::int64_t k = 0; k < product.in; ++k) {
        for (auto e = product.sparse_start[static_cast<std::size_t>(k)];
             e < product.sparse_start[static_cast<std::size_t>(k + 1)]; ++e) {
          if (product.sparse_row[static_cast<std::size_t>(e)] == row) {
            cell.push_back(static_cast<std::int32_t>(k));
            integers.push_back(product.integers[static_cast<std::size_t>(e)]);
            floats.push_back(product.floats[static_cast<std::size_t>(e)]);
          }
        }
      }
      start.push_back(static_cast<std::int64_t>(cell.size()));
    }
    direct.shape = cuda::ProductShape::kSparse;
    direct.sparse_start = Put(start);
    direct.sparse_cell = Put(cell);
  }
};

TEST_P(Products, DenseOnesAreThoseOfTheCpu) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    ExpectAll(Dense(random), seed);
  }
}

TEST_P(Products, ConvolutionsAreThoseOfTheCpu) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    ExpectAll(Conv(random, seed % 3 == 0 ? 2 : 1), seed);
  }
}

TEST_P(Products, SparseOnesAreThoseOfTheCpu) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    ExpectAll(Sparse(random), seed);
  }
}

// A convolution through columns and digits.
TEST_P(Products, ColumnsOfDigitsAreTheConvolution) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Product product = Conv(random, 1, 3000);
    const cuda::ConvMap map = MapOf(product.conv);
    const std::int64_t stride = cuda::PadHalves(product.in);
    std::vector<std::int32_t> counts;
    std::vector<cuda::Half> cells(static_cast<std::size_t>(kRows * stride), cuda::Half{0});
    for (std::int64_t i = 0; i < kRows * product.in; ++i) {
      counts.push_back(static_cast<std::int32_t>(random.Between(0, 9)));
      cells[static_cast<std::size_t>(i / product.in * stride + i % product.in)] = cuda::HalfOf(counts.back());
    }
    const std::int64_t depth = cuda::PadHalves(cuda::Depth(map));
    const std::int64_t width = cuda::PadHalves(map.out_channels);
    const std::int64_t lines = kRows * cuda::Pixels(map);
    auto* const columns = Make<cuda::Half>(static_cast<std::size_t>(lines * depth));
    auto* const sums = Make<float>(static_cast<std::size_t>(lines * 2 * width));
    const auto* digits =
        Put(cuda::PackDigits(product.integers.data(), cuda::Depth(map), map.out_channels, 2));
    Run({cuda::Im2col{kRows, Put(cells), stride, map, depth, columns},
         cuda::DigitProduct{lines, depth, width, columns, depth, digits, sums}});
    const std::vector<float> got = Get(sums, static_cast<std::size_t>(lines * 2 * width));
    const std::vector<float> wanted = RoundedSums(product, counts);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::size_t channel = i % static_cast<std::size_t>(map.out_channels);
      const std::size_t at =
          i / static_cast<std::size_t>(map.out_channels) * 2 * static_cast<std::size_t>(width) + channel;
      ASSERT_EQ(cuda::CombineDigits(got[at], got[at + static_cast<std::size_t>(width)]), wanted[i]);
    }
  }
}

TEST_P(Products, GatherAddsAndPads) {
  const std::vector<std::int32_t> counts = {1, 2, 3, 4, 5, 6, 7, 8};  // [2][4]
  const auto* start = Put(std::vector<std::int64_t>{0, 2, 3, 3});
  const auto* index = Put(std::vector<std::int32_t>{0, 3, 1});
  auto* const cells = Make<std::int32_t>(16);
  Run({cuda::Gather{2, 3, {Put(counts), CellType::kInt32, 4}, start, index, cells, CellType::kInt32, 8}});
  EXPECT_EQ(Get(cells, 16), (std::vector<std::int32_t>{5, 2, 0, 0, 0, 0, 0, 0, 13, 6, 0, 0, 0, 0, 0, 0}));
}

SPIKESERVE_ON_DEVICES(Products);

}  // namespace
}  // namespace spikeserve::testing
