#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include "kernels/cpu/spikes/event_sums.h"
#include "kernels/cpu/spikes/sliced_weights.h"

namespace spikeserve::kernels {

// Weights that spikes meet, as integers of 32 bits, or of 16 where all of them fit: half the bytes to load.
// The sums are the same. Immutable once made.
class EventWeights {
 public:
  EventWeights() = default;
  // `weights` is [rows][channels]; `narrow` only where each lies in [-INT16_MAX, INT16_MAX]. Changes need
  // `negatives`.
  EventWeights(std::span<const std::int32_t> weights, std::int64_t rows, std::int64_t channels,
               std::int64_t tile_rows, bool narrow, bool negatives) {
    if (narrow) {
      weights_ = SlicedWeights<std::int16_t>(weights, rows, channels, tile_rows, negatives);
    } else {
      weights_ = SlicedWeights<std::int32_t>(weights, rows, channels, tile_rows, negatives);
    }
  }

  bool narrow() const { return std::holds_alternative<SlicedWeights<std::int16_t>>(weights_); }
  bool empty() const {
    return std::visit([](const auto& weights) { return weights.empty(); }, weights_);
  }
  bool negatives() const {
    return std::visit([](const auto& weights) { return weights.negatives(); }, weights_);
  }
  std::int64_t slices() const {
    return std::visit([](const auto& weights) { return weights.slices(); }, weights_);
  }
  std::int64_t tiles() const {
    return std::visit([](const auto& weights) { return weights.tiles(); }, weights_);
  }
  std::int64_t tile_rows() const {
    return std::visit([](const auto& weights) { return weights.tile_rows(); }, weights_);
  }
  // Of all rows, negatives left out.
  std::int64_t row_bytes() const {
    return std::visit([](const auto& weights) { return weights.row_bytes(); }, weights_);
  }
  std::int64_t bytes() const {
    return std::visit([](const auto& weights) { return weights.bytes(); }, weights_);
  }

  // kernels::AddSpikes over one tile. Part `part` of `parts` of the tile behind it comes closer meanwhile; no
  // parts: none.
  void AddSpikes(const SpikeGroups& groups, std::int64_t slice, std::int64_t tile, int digit,
                 const GroupSums& out, std::size_t part, std::size_t parts) const {
    std::visit(
        [&](const auto& weights) {
          const auto next = weights.after(slice, tile);
          const std::size_t size = parts > 0 ? next.size() / parts : 0;
          kernels::AddSpikes(groups, weights.tile(slice, tile), digit, out, next.subspan(part * size, size));
        },
        weights_);
  }

 private:
  std::variant<SlicedWeights<std::int32_t>, SlicedWeights<std::int16_t>> weights_;
};

}  // namespace spikeserve::kernels
