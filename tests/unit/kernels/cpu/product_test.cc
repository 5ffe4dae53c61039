#include "kernels/cpu/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/cpu_targets.h"
#include "tests/support/float_bits.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

using testing::Random;

void FillWeights(Product& product, std::int64_t count, Random& random) {
  for (std::int64_t i = 0; i < count; ++i) {
    product.integers.push_back(static_cast<std::int32_t>(random.Between(-2000000, 2000000)));
    product.floats.push_back(static_cast<float>(random.Uniform(-1, 1)));
  }
}

Product Dense(std::int64_t in, std::int64_t out, Random& random) {
  Product product;
  product.in = in;
  product.out = out;
  FillWeights(product, in * out, random);
  return product;
}

Product Conv(const ConvGeometry& geometry, Random& random) {
  Product product;
  product.kind = ProductKind::kConv;
  product.conv = geometry;
  product.in = geometry.in_height * geometry.in_width * geometry.in_channels;
  product.out = geometry.out_height * geometry.out_width * geometry.out_channels;
  FillWeights(product,
              geometry.kernel_height * geometry.kernel_width * geometry.in_channels / geometry.groups *
                  geometry.out_channels,
              random);
  return product;
}

// Index in the weights of what cell `k` sends to row `j`; -1: nothing.
std::int64_t WeightAt(const Product& product, std::int64_t k, std::int64_t j) {
  if (product.kind == ProductKind::kDense) {
    return k * product.out + j;
  }
  if (product.kind == ProductKind::kSparse) {
    for (std::int64_t at = product.sparse_start[static_cast<std::size_t>(k)];
         at < product.sparse_start[static_cast<std::size_t>(k) + 1]; ++at) {
      if (product.sparse_row[static_cast<std::size_t>(at)] == j) {
        return at;
      }
    }
    return -1;
  }
  const ConvGeometry& g = product.conv;
  const std::int64_t channel = k % g.in_channels;
  const std::int64_t o = j % g.out_channels;
  const std::int64_t y =
      k / g.in_channels / g.in_width - (j / g.out_channels / g.out_width * g.stride_y - g.pad_top);
  const std::int64_t x =
      k / g.in_channels % g.in_width - (j / g.out_channels % g.out_width * g.stride_x - g.pad_left);
  const std::int64_t per_group = g.in_channels / g.groups;
  if (y < 0 || x < 0 || y % g.dilation_y != 0 || x % g.dilation_x != 0 ||
      y / g.dilation_y >= g.kernel_height || x / g.dilation_x >= g.kernel_width ||
      channel / per_group != o / (g.out_channels / g.groups)) {
    return -1;
  }
  return ((y / g.dilation_y * g.kernel_width + x / g.dilation_x) * per_group + channel % per_group) *
             g.out_channels +
         o;
}

// Row by row, over cells in ascending order.
template <typename Sum, typename Step>
std::vector<Sum> ByDefinition(const Product& product, Step step) {
  std::vector<Sum> sums(static_cast<std::size_t>(product.out), 0);
  for (std::int64_t j = 0; j < product.out; ++j) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      if (const std::int64_t at = WeightAt(product, k, j); at >= 0) {
        step(sums[static_cast<std::size_t>(j)], static_cast<std::size_t>(at), static_cast<std::size_t>(k));
      }
    }
  }
  return sums;
}

void ExpectSums(const Product& product, Random& random) {
  std::vector<std::int32_t> counts;
  std::vector<std::int32_t> few;
  for (std::int64_t k = 0; k < product.in; ++k) {
    counts.push_back(static_cast<std::int32_t>(random.Chance(0.3) ? random.Below(100000) : 0));
    few.push_back(static_cast<std::int32_t>(random.Below(3)));
  }
  const std::vector<float> cells = random.Floats(product.in, -1, 1);
  const auto wide =
      ByDefinition<std::int64_t>(product, [&](std::int64_t& sum, std::size_t at, std::size_t k) {
        sum += std::int64_t{product.integers[at]} * counts[k];
      });
  const auto narrow = ByDefinition<std::int32_t>(
      product,
      [&](std::int32_t& sum, std::size_t at, std::size_t k) { sum += product.integers[at] * few[k]; });
  const auto reals = ByDefinition<float>(product, [&](float& sum, std::size_t at, std::size_t k) {
    sum = std::fma(product.floats[at], cells[k], sum);
  });
  testing::OnEveryCpuTarget([&] {
    std::vector<std::int64_t> wide_sums(wide.size());
    Accumulate(product, counts, wide_sums);
    EXPECT_EQ(wide_sums, wide);
    std::vector<std::int32_t> narrow_sums(narrow.size());
    Accumulate(product, few, narrow_sums);
    EXPECT_EQ(narrow_sums, narrow);
    std::vector<float> sums(reals.size());
    Accumulate(product, product.floats, cells, sums);
    EXPECT_EQ(testing::FloatBits(sums), testing::FloatBits(reals));
  });
  const std::vector<std::int64_t> fan_out = FanOut(product, product.in);
  for (std::int64_t k = 0; k < product.in; ++k) {
    std::int64_t reached = 0;
    for (std::int64_t j = 0; j < product.out; ++j) {
      reached += WeightAt(product, k, j) >= 0 ? 1 : 0;
    }
    EXPECT_EQ(fan_out[static_cast<std::size_t>(k)], reached) << "cell " << k;
  }
}

TEST(Product, DenseIsTheSumOfItsColumns) {
  Random random(1);
  for (const auto& [in, out] : std::vector<std::pair<int, int>>{{1, 1}, {3, 5}, {70, 33}, {16, 64}}) {
    ExpectSums(Dense(in, out, random), random);
  }
}

TEST(Product, ConvIsCrossCorrelation) {
  Random random(2);
  for (int i = 0; i < 60; ++i) {
    ConvGeometry g;
    g.groups = random.Between(1, 2);
    g.in_channels = g.groups * random.Between(1, 3);
    g.out_channels = g.groups * random.Between(1, 5);
    const auto axis = [&](std::int64_t& in, std::int64_t& out, std::int64_t& kernel, std::int64_t& stride,
                          std::int64_t& dilation, std::int64_t& pad) {
      kernel = random.Between(1, 3);
      stride = random.Between(1, 3);
      dilation = random.Between(1, 2);
      const std::int64_t extent = (kernel - 1) * dilation + 1;
      pad = random.Below(extent);
      in = random.Between(extent, extent + 5);
      out = (in + pad + random.Below(extent) - extent) / stride + 1;
    };
    axis(g.in_height, g.out_height, g.kernel_height, g.stride_y, g.dilation_y, g.pad_top);
    axis(g.in_width, g.out_width, g.kernel_width, g.stride_x, g.dilation_x, g.pad_left);
    ExpectSums(Conv(g, random), random);
  }
}

TEST(Product, SparseIsItsEntries) {
  Random random(3);
  Product product;
  product.kind = ProductKind::kSparse;
  product.in = 20;
  product.out = 15;
  product.sparse_start = {0};
  for (std::int64_t k = 0; k < product.in; ++k) {
    for (std::int32_t j = 0; j < 15; ++j) {
      if (random.Chance(k == 4 ? 0 : 0.3)) {
        product.sparse_row.push_back(j);
      }
    }
    product.sparse_start.push_back(static_cast<std::int64_t>(product.sparse_row.size()));
  }
  FillWeights(product, product.sparse_start.back(), random);
  ExpectSums(product, random);
}

TEST(Product, GatherSumsCells) {
  const GatherSum gather{{0, 2, 2, 3}, {1, 0, 2}, 2};
  std::vector<std::int32_t> cells(3);
  Gather(gather, std::vector<std::int32_t>{5, 7, 9}, cells);
  EXPECT_EQ(cells, (std::vector<std::int32_t>{12, 0, 9}));
  std::vector<float> values(3);
  Gather(gather, std::vector<float>{0.5F, 0.25F, -1}, values);
  EXPECT_EQ(values, (std::vector<float>{0.75F, 0, -1}));
}

}  // namespace
}  // namespace spikeserve::kernels
