#include "tests/bench/products.h"

#include <cblas.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "server/engine/network/index.h"

namespace spikeserve::bench {
namespace {

using engine::Index;

constexpr std::int64_t kBlockFloats = 1 << 18;  // 1 MiB of columns: about an L2 cache

ChainLayer WithoutValues(const ChainLayer& layer) {
  ChainLayer shape = layer;
  shape.weight = {};
  shape.bias = {};
  shape.gain = shape.offset = shape.voltage = {};
  return shape;
}

}  // namespace

BlasLayer::BlasLayer(const ChainLayer& layer, std::vector<float> weight)
    : shape_(WithoutValues(layer)), weight_(std::move(weight)) {
  if (layer.kind == ChainLayer::Kind::kConv) {
    const std::int64_t per_sample = layer.pixels() * layer.fan_in();
    block_ = std::max<std::int64_t>(1, kBlockFloats / per_sample);
    columns_.resize(Index(block_ * per_sample));
  }
}

void BlasLayer::Run(std::span<const float> in, std::int64_t samples, std::span<float> out) {
  if (shape_.kind == ChainLayer::Kind::kDense) {
    Multiply(in.data(), samples, out.data());
    return;
  }
  if (shape_.kind == ChainLayer::Kind::kPool) {
    for (std::int64_t i = 0; i < samples; ++i) {
      Pool(in.data() + i * shape_.in_size(), out.data() + i * shape_.out_size());
    }
    return;
  }
  const std::int64_t rows = shape_.pixels();
  for (std::int64_t first = 0; first < samples; first += block_) {
    const std::int64_t count = std::min(block_, samples - first);
    for (std::int64_t i = 0; i < count; ++i) {
      Columns(in.data() + (first + i) * shape_.in_size(), columns_.data() + i * rows * shape_.fan_in());
    }
    Multiply(columns_.data(), count * rows, out.data() + first * shape_.out_size());
  }
}

void BlasLayer::Multiply(const float* rows, std::int64_t count, float* out) const {
  const auto m = static_cast<int>(count);
  const auto n = static_cast<int>(shape_.out_channels);
  const auto k = static_cast<int>(shape_.fan_in());
  if (m == 1) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, n, k, 1.0F, weight_.data(), k, rows, 1, 0.0F, out, 1);
    return;
  }
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0F, rows, k, weight_.data(), k, 0.0F, out,
              n);
}

// Copies the cells under the window of every output pixel: a row of channels at a time, zeros over the edge.
void BlasLayer::Columns(const float* in, float* columns) const {
  const std::size_t bytes = Index(shape_.in_channels) * sizeof(float);
  for (std::int64_t y = 0; y < shape_.out_height; ++y) {
    for (std::int64_t x = 0; x < shape_.out_width; ++x) {
      for (std::int64_t ky = 0; ky < shape_.kernel_height; ++ky) {
        const std::int64_t row = y * shape_.stride_y + ky - shape_.pad_top;
        for (std::int64_t kx = 0; kx < shape_.kernel_width; ++kx, columns += shape_.in_channels) {
          const std::int64_t column = x * shape_.stride_x + kx - shape_.pad_left;
          if (row < 0 || row >= shape_.in_height || column < 0 || column >= shape_.in_width) {
            std::memset(columns, 0, bytes);
          } else {
            std::memcpy(columns, in + (row * shape_.in_width + column) * shape_.in_channels, bytes);
          }
        }
      }
    }
  }
}

void BlasLayer::Pool(const float* in, float* out) const {
  const auto weight = 1.0F / static_cast<float>(shape_.kernel_height * shape_.kernel_width);
  const std::int64_t channels = shape_.out_channels;
  for (std::int64_t y = 0; y < shape_.out_height; ++y) {
    for (std::int64_t x = 0; x < shape_.out_width; ++x, out += channels) {
      std::fill_n(out, channels, 0.0F);
      for (std::int64_t ky = 0; ky < shape_.kernel_height; ++ky) {
        for (std::int64_t kx = 0; kx < shape_.kernel_width; ++kx) {
          const float* cell =
              in + ((y * shape_.stride_y + ky) * shape_.in_width + x * shape_.stride_x + kx) * channels;
          for (std::int64_t c = 0; c < channels; ++c) {
            out[c] += cell[c];
          }
        }
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        out[c] *= weight;
      }
    }
  }
}

}  // namespace spikeserve::bench
