#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <variant>

#include "kernels/cpu/event_sums.h"
#include "kernels/cpu/sliced_weights.h"

namespace spikeserve::kernels {

// Integer weights behind a spiking population, in 16 bits where all of them fit and else in 32. The sums are
// the same; half the bytes come from half as far away. Immutable once made.
class EventWeights {
 public:
  EventWeights() = default;
  // `weights` is [rows][channels], none above `largest` in magnitude.
  EventWeights(std::span<const std::int32_t> weights, std::int64_t rows, std::int64_t channels,
               std::int64_t tile_rows, std::int32_t largest) {
    if (IsNarrow(largest)) {
      weights_ = SlicedWeights<std::int16_t>(weights, rows, channels, tile_rows);
    } else {
      weights_ = SlicedWeights<std::int32_t>(weights, rows, channels, tile_rows);
    }
  }

  // Whether weights up to this magnitude lie in 16 bits.
  static constexpr bool IsNarrow(std::int32_t largest) {
    return largest <= std::numeric_limits<std::int16_t>::max();
  }

  bool narrow() const { return std::holds_alternative<SlicedWeights<std::int16_t>>(weights_); }
  bool empty() const {
    return std::visit([](const auto& weights) { return weights.empty(); }, weights_);
  }
  std::int64_t tiles() const {
    return std::visit([](const auto& weights) { return weights.tiles(); }, weights_);
  }
  std::int64_t slices() const {
    return std::visit([](const auto& weights) { return weights.slices(); }, weights_);
  }
  std::int64_t tile_rows() const {
    return std::visit([](const auto& weights) { return weights.tile_rows(); }, weights_);
  }
  std::int64_t bytes() const {
    return std::visit([](const auto& weights) { return weights.bytes(); }, weights_);
  }

  // AddSpikes of a tile; `ahead` lets the tile behind it come closer meanwhile.
  void AddSpikes(const SpikeGroups& groups, std::int64_t slice, std::int64_t tile, int digit, bool ahead,
                 const GroupSums& out) const {
    std::visit(
        [&](const auto& weights) {
          const auto next = weights.after(slice, tile);
          kernels::AddSpikes(groups, weights.tile(slice, tile), digit, out, ahead ? next : next.first(0));
        },
        weights_);
  }

 private:
  std::variant<SlicedWeights<std::int32_t>, SlicedWeights<std::int16_t>> weights_;
};

}  // namespace spikeserve::kernels
