#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/bench/chain.h"

namespace spikeserve::bench {

// A layer as matrix products of OpenBLAS: sgemm, sgemv for one row, im2col in blocks that stay in the cache
// for convolutions. One thread at a time; OpenBLAS itself uses as many as it was told.
class BlasLayer {
 public:
  // `weight` [out_channels, fan_in] replaces that of the layer; empty in a pool.
  BlasLayer(const ChainLayer& layer, std::vector<float> weight);

  // out[sample, out_size] = product of in[sample, in_size], no bias.
  void Run(std::span<const float> in, std::int64_t samples, std::span<float> out);

 private:
  void Columns(const float* in, float* columns) const;
  void Pool(const float* in, float* out) const;
  void Multiply(const float* rows, std::int64_t count, float* out) const;

  ChainLayer shape_;  // without values
  std::vector<float> weight_;
  std::vector<float> columns_;
  std::int64_t block_ = 1;  // samples whose columns are made at once
};

}  // namespace spikeserve::bench
