#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "kernels/cpu/aligned.h"
#include "kernels/math/lanes.h"

namespace spikeserve::kernels {

// Source cells [cell, cell + length) meet the weight rows [row, row + length). They are the units
// [unit, unit + units) of an EventList.
struct CellRange {
  std::int32_t cell = 0;
  std::int32_t length = 0;
  std::int32_t row = 0;
  std::int32_t unit = 0;
  std::int32_t units = 0;
};

// Rows of weights, one per source cell and tap, cut into blocks of output channels that fit the registers and
// padded with zeros: [block][row][padded width]. Immutable once made.
template <typename T>
class PackedWeights {
 public:
  PackedWeights() = default;
  // `weights` is [rows][channels]; `block_width` a multiple of kLaneUnit.
  template <typename From>
  PackedWeights(std::span<const From> weights, std::int64_t rows, std::int64_t channels,
                std::int64_t block_width)
      : rows_(rows), channels_(channels), block_width_(block_width) {
    values_.assign(static_cast<std::size_t>(rows * PadLanes(channels)), T{0});
    for (std::int64_t b = 0; b < blocks(); ++b) {
      T* to = values_.data() + b * block_width_ * rows_;
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto from = weights.begin() + row * channels + b * block_width_;
        std::transform(from, from + width(b), to + row * padded_width(b),
                       [](From w) { return static_cast<T>(w); });
      }
    }
  }

  bool empty() const { return values_.empty(); }
  std::int64_t block_width() const { return block_width_; }
  std::int64_t blocks() const { return (channels_ + block_width_ - 1) / block_width_; }
  std::int64_t first_channel(std::int64_t block) const { return block * block_width_; }
  // Channels of a block: real ones, and with padding.
  std::int64_t width(std::int64_t block) const {
    return std::min(block_width_, channels_ - block * block_width_);
  }
  std::int64_t padded_width(std::int64_t block) const { return PadLanes(width(block)); }
  // [row][padded width]; all blocks before are full.
  const T* block(std::int64_t block) const { return values_.data() + block * block_width_ * rows_; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(values_.size() * sizeof(T)); }

 private:
  std::int64_t rows_ = 0;
  std::int64_t channels_ = 0;
  std::int64_t block_width_ = kLaneUnit;
  AlignedVector<T> values_;
};

}  // namespace spikeserve::kernels
