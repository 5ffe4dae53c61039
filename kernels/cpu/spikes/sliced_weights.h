#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "kernels/cpu/aligned.h"
#include "kernels/cpu/packed_weights.h"

namespace spikeserve::kernels {

// Rows of weights, one per source cell and tap, cut into slices of kLaneUnit output channels and tiles of
// rows, so that what a loop uses of a tile stays in the first-level cache: [slice][tile][row][kLaneUnit],
// padded with zeros. Behind them each tile has a row of zeros, and, if asked for, the rows' negatives.
// Immutable once made.
template <typename T>
class SlicedWeights {
 public:
  SlicedWeights() = default;
  // `weights` is [rows][channels].
  template <typename From>
  SlicedWeights(std::span<const From> weights, std::int64_t rows, std::int64_t channels,
                std::int64_t tile_rows, bool negatives)
      : tile_rows_(tile_rows),
        tiles_((rows + tile_rows - 1) / tile_rows),
        channels_(channels),
        negatives_(negatives) {
    values_.assign(static_cast<std::size_t>(slices() * tiles_ * tile_size()), T{0});
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t first = 0; first < channels; first += kLaneUnit) {
        const std::int64_t at = (first / kLaneUnit * tiles_ + row / tile_rows) * tile_size();
        const auto from = weights.begin() + row * channels + first;
        const auto end = from + std::min(kLaneUnit, channels - first);
        T* const to = values_.data() + at + row % tile_rows * kLaneUnit;
        std::transform(from, end, to, [](From weight) { return static_cast<T>(weight); });
        if (negatives) {
          std::transform(from, end, to + (tile_rows + 1) * kLaneUnit,
                         [](From weight) { return static_cast<T>(-weight); });
        }
      }
    }
  }

  bool empty() const { return values_.empty(); }
  std::int64_t slices() const { return (channels_ + kLaneUnit - 1) / kLaneUnit; }
  std::int64_t tiles() const { return tiles_; }
  std::int64_t tile_rows() const { return tile_rows_; }
  bool negatives() const { return negatives_; }
  // A tile is [tile_rows + 1][kLaneUnit], then [tile_rows][kLaneUnit] negatives where there are any.
  const T* tile(std::int64_t slice, std::int64_t tile) const {
    return values_.data() + (slice * tiles_ + tile) * tile_size();
  }
  // The rows of the tile that lies behind another; nothing behind the last one.
  std::span<const T> after(std::int64_t slice, std::int64_t tile) const {
    const std::int64_t next = slice * tiles_ + tile + 1;
    const std::int64_t size = next < slices() * tiles_ ? (tile_rows_ + 1) * kLaneUnit : 0;
    return std::span(values_).subspan(static_cast<std::size_t>(next * tile_size()),
                                      static_cast<std::size_t>(size));
  }
  // Of all rows, negatives left out.
  std::int64_t row_bytes() const {
    return slices() * tiles_ * (tile_rows_ + 1) * kLaneUnit * static_cast<std::int64_t>(sizeof(T));
  }
  std::int64_t bytes() const { return static_cast<std::int64_t>(values_.size() * sizeof(T)); }

 private:
  std::int64_t tile_size() const { return ((negatives_ ? 2 : 1) * tile_rows_ + 1) * kLaneUnit; }

  std::int64_t tile_rows_ = 1;
  std::int64_t tiles_ = 0;
  std::int64_t channels_ = 0;
  bool negatives_ = false;
  AlignedVector<T> values_;
};

}  // namespace spikeserve::kernels
