#include "server/engine/window_sums.h"

#include <algorithm>

#include "server/engine/index.h"

namespace spikeserve::engine {
namespace {

using kernels::CellRange;

constexpr double kNarrowBound = 2147483647.0;               // of an int32
constexpr double kWideBound = 1099511627776.0;              // 2^40
constexpr std::int64_t kNearBytes = std::int64_t{1} << 19;  // of weights that stay in the second-level cache

// Replaces `of_tile` by the part of the ranges, which ascend in rows, in the tile's rows [first, end).
// Both are multiples of a unit, but for the last end.
void CutToTile(const std::vector<CellRange>& ranges, std::int64_t first, std::int64_t end, std::int64_t unit,
               std::vector<CellRange>& of_tile) {
  of_tile.clear();
  for (const CellRange& range : ranges) {
    const std::int64_t from = std::max<std::int64_t>(range.row, first);
    const std::int64_t length = std::min<std::int64_t>(range.row + range.length, end) - from;
    if (length <= 0) {
      continue;
    }
    const std::int64_t skipped = from - range.row;
    of_tile.push_back({static_cast<std::int32_t>(range.cell + skipped), static_cast<std::int32_t>(length),
                       static_cast<std::int32_t>(from - first),
                       static_cast<std::int32_t>(range.unit + skipped / unit),
                       static_cast<std::int32_t>((length + unit - 1) / unit)});
  }
}

}  // namespace

bool WindowSums::Fits(const FastTerm& term, std::int64_t largest) {
  const auto count = static_cast<double>(largest);
  if (count * term.max_row_sum < kNarrowBound) {
    return true;
  }
  // The sum over a tile's rows, the low halves of all tiles and digits, and the whole.
  return static_cast<double>(term.events.tile_rows()) * term.largest_weight < kNarrowBound &&
         static_cast<double>(term.events.tiles()) * 2 * count * 65536 < kNarrowBound &&
         count * term.max_row_sum < kWideBound;
}

void WindowSums::SetWindow(const FastTerm& term, std::int64_t pixel, const kernels::EventList& events,
                           std::int64_t largest, std::int64_t steps) {
  term_ = &term;
  wide_ = static_cast<double>(largest) * term.max_row_sum >= kNarrowBound;
  steps_ = steps;
  digits_ = events.digits();
  term.Window(pixel, ranges_);
  const std::int64_t rows = term.events.tile_rows();
  spikes_.resize(std::max(spikes_.size(), Index(term.events.tiles() * digits_)));
  for (std::int64_t tile = 0; tile < term.events.tiles(); ++tile) {
    CutToTile(ranges_, tile * rows, (tile + 1) * rows, term.unit, of_tile_);
    for (int digit = 0; digit < digits_; ++digit) {
      kernels::CollectSpikes(events, digit, of_tile_, steps, rows, spikes_[Index(tile * digits_ + digit)]);
    }
  }
}

WindowSums::Sums WindowSums::Sum(std::int64_t first_slice, std::int64_t slices) {
  const std::int64_t stride = slices * kernels::kLaneUnit;
  sums_.resize(std::max(sums_.size(), Index(steps_ * stride)));
  running_.resize(std::max(running_.size(), Index(steps_ * kernels::kLaneUnit)));
  std::fill_n(sums_.begin(), steps_ * stride, 0);
  if (wide_) {
    high_.resize(sums_.size());
    std::fill_n(high_.begin(), steps_ * stride, 0);
  }
  for (std::int64_t slice = 0; slice < slices; ++slice) {
    const std::int64_t first = slice * kernels::kLaneUnit;
    const kernels::GroupSums out{steps_, sums_.data() + first, stride, wide_ ? high_.data() + first : nullptr,
                                 running_.data()};
    for (std::int64_t tile = 0; tile < term_->events.tiles(); ++tile) {
      for (int digit = 0; digit < digits_; ++digit) {
        const bool ahead = digit == 0 && term_->events.bytes() > kNearBytes;
        term_->events.AddSpikes(spikes_[Index(tile * digits_ + digit)], first_slice + slice, tile, digit, out,
                                ahead);
      }
    }
  }
  return {sums_.data(), wide_ ? high_.data() : nullptr};
}

}  // namespace spikeserve::engine
