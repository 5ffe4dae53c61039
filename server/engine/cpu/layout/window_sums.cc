#include "server/engine/cpu/layout/window_sums.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/spikes/event_layer.h"
#include "server/engine/cpu/layout/sum_bounds.h"
#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

using kernels::CellRange;

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

bool WindowSums::Fits(const VectorTerm& term, std::int64_t largest) {
  const auto count = static_cast<double>(largest);
  if (count * term.max_row_sum < kNarrowSums) {
    return true;
  }
  // The sum over a tile's rows, the low halves of all tiles and digits, and the whole.
  return static_cast<double>(term.events.tile_rows()) * term.largest_weight < kNarrowSums &&
         static_cast<double>(term.events.tiles()) * 2 * count * 65536 < kNarrowSums &&
         count * term.max_row_sum < kHalvedSums;
}

bool WindowSums::CopiesFit(const VectorTerm& term, std::int64_t largest) {
  return largest <= kernels::kMostCopies && static_cast<double>(largest) * term.max_row_sum < kNarrowSums;
}

bool WindowSums::DigitsFit(const VectorTerm& term, std::int64_t largest) {
  constexpr double kLargestDigit = 128;
  return static_cast<double>(term.fan_in()) * static_cast<double>(largest) * kLargestDigit < kNarrowSums;
}

void WindowSums::SetWindow(const VectorTerm& term, std::int64_t pixel, const Source& source) {
  term_ = &term;
  source_ = source;
  wide_ = static_cast<double>(source.largest) * term.max_row_sum >= kNarrowSums;
  term.Window(pixel, ranges_);
  if (source.events != nullptr) {
    CollectWindow();
  } else if (term.kind == kernels::ProductKind::kDense) {
    counts_ = source.cells;
    cell_stride_ = source.stride;
  } else if (IsWhole()) {
    counts_ = source.cells + ranges_.front().cell;
    cell_stride_ = source.stride;
    segment_stride_ = term.conv.dilation_y * term.conv.in_width * term.conv.in_channels;
  } else {
    CopyWindow();
  }
}

void WindowSums::CollectWindow() {
  const std::int64_t rows = term_->events.tile_rows();
  const int digits = source_.events->digits();
  spikes_.resize(std::max(spikes_.size(), Index(term_->events.tiles() * digits)));
  for (std::int64_t tile = 0; tile < term_->events.tiles(); ++tile) {
    CutToTile(ranges_, tile * rows, (tile + 1) * rows, term_->unit, of_tile_);
    for (int digit = 0; digit < digits; ++digit) {
      kernels::CollectSpikes(*source_.events, digit, of_tile_, source_.steps, rows,
                             spikes_[Index(tile * digits + digit)]);
    }
  }
}

// Whether each row of the window lies in the map as one range: then it needs no copy.
bool WindowSums::IsWhole() const {
  const auto& g = term_->conv;
  return static_cast<std::int64_t>(ranges_.size()) == g.kernel_height &&
         std::all_of(ranges_.begin(), ranges_.end(),
                     [&g](const CellRange& range) { return range.length == g.kernel_width * g.in_channels; });
}

// The window's counts, one row of the kernel behind the other, 0 where it reaches over the edge.
void WindowSums::CopyWindow() {
  const std::int64_t segment_rows = term_->conv.kernel_width * term_->conv.in_channels;
  segment_stride_ = term_->digits.segment_groups() * kernels::kDigitCells;
  cell_stride_ = term_->digits.groups() * kernels::kDigitCells;
  cells_.resize(std::max(cells_.size(), Index(source_.steps * cell_stride_)));
  counts_ = cells_.data();
  std::int64_t covered = 0;
  for (const CellRange& range : ranges_) {
    covered += range.length;
  }
  if (covered < cell_stride_) {
    std::memset(cells_.data(), 0, Index(source_.steps * cell_stride_));
  }
  for (std::int64_t step = 0; step < source_.steps; ++step) {
    const std::uint8_t* from = source_.cells + step * source_.stride;
    std::uint8_t* to = cells_.data() + step * cell_stride_;
    for (const CellRange& range : ranges_) {
      const std::int64_t at = range.row / segment_rows * segment_stride_ + range.row % segment_rows;
      std::memcpy(to + at, from + range.cell, Index(range.length));
    }
  }
}

std::int64_t WindowSums::Bundle(const VectorTerm& term) {
  return term.events.row_bytes() > kNearBytes ? std::min(term.pixels, kMostPerBundle) : 1;
}

std::int64_t WindowSums::Bytes(const VectorTerm& term, std::int64_t steps) {
  // In each list or as a copy, and as a byte.
  constexpr std::int64_t kPerSpike = 2 * kernels::kMostCopies + 3;
  constexpr std::int64_t kPadding = 64;
  const std::int64_t windows = term.kind == kernels::ProductKind::kConv ? kMostPerBundle : 1;
  return (steps + 1) * windows *
         (kPerSpike * (term.fan_in() + kPadding) + 8 * kernels::kMaxEventBlockWidth + kPadding);
}

void WindowSums::SumTogether(std::span<WindowSums* const> windows, std::int64_t first_slice,
                             std::int64_t slices) {
  for (WindowSums* const window : windows) {
    window->Begin(slices);
  }
  const Source& source = windows.front()->source_;
  const std::int64_t tiles = source.events != nullptr ? windows.front()->term_->events.tiles() : 0;
  for (std::int64_t slice = 0; slice < slices; ++slice) {
    for (std::int64_t tile = 0; tile < tiles; ++tile) {
      for (int digit = 0; digit < source.events->digits(); ++digit) {
        for (std::size_t w = 0; w < windows.size(); ++w) {  // each fetches its part of the next tile
          windows[w]->AddTile(first_slice + slice, slice, tile, digit, w, windows.size());
        }
      }
    }
    for (WindowSums* const window : windows) {
      if (source.events == nullptr) {
        window->SumDigits(first_slice + slice, slice);
      }
    }
  }
}

void WindowSums::Begin(std::int64_t slices) {
  stride_ = slices * kernels::kLaneUnit;
  const std::size_t count = Index(source_.steps * stride_);
  sums_.resize(std::max(sums_.size(), count));
  high_.resize(wide_ ? sums_.size() : high_.size());
  running_.resize(std::max(running_.size(), Index((source_.steps + 1) * kernels::kLaneUnit)));
  if (source_.events != nullptr) {
    std::fill_n(sums_.begin(), count, 0);
    std::fill_n(high_.begin(), wide_ ? count : 0, 0);
  }
}

void WindowSums::SumDigits(std::int64_t slice, std::int64_t index) {
  const std::int64_t at = index * kernels::kLaneUnit;
  kernels::SumDigits(term_->digits, slice,
                     {source_.steps, counts_, cell_stride_, segment_stride_, sums_.data() + at,
                      wide_ ? high_.data() + at : nullptr, stride_, source_.largest});
}

void WindowSums::AddTile(std::int64_t slice, std::int64_t index, std::int64_t tile, int digit,
                         std::size_t part, std::size_t parts) {
  const std::int64_t at = index * kernels::kLaneUnit;
  const bool ahead = digit == 0 && term_->events.row_bytes() > kNearBytes;
  term_->events.AddSpikes(
      spikes_[Index(tile * source_.events->digits() + digit)], slice, tile, digit,
      {source_.steps, sums_.data() + at, stride_, wide_ ? high_.data() + at : nullptr, running_.data()},
      ahead ? part : 0, ahead ? parts : 0);
}

}  // namespace spikeserve::engine
