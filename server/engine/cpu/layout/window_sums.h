#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/spikes/event_sums.h"
#include "server/engine/cpu/layout/vector_weights.h"

namespace spikeserve::engine {

// Sums of a term's weights over the spikes under one window after the other, all steps of a chunk at once.
// Belongs to one thread, grows to what its layers need and is reused.
class WindowSums {
 public:
  // [steps][kLaneUnit * slices]: a sum is 2^16 * high + low, or just low where high is null.
  struct Sums {
    const std::int32_t* low = nullptr;
    const std::int32_t* high = nullptr;
  };

  // Whether sums of the weights times counts up to `largest` can be had at all.
  static bool Fits(const VectorTerm& term, std::int64_t largest);
  // Whether an EventList of copies or changes will do.
  static bool CopiesFit(const VectorTerm& term, std::int64_t largest);
  // Whether the sums of single digits of the weights fit an int32, which the digit path needs besides.
  static bool DigitsFit(const VectorTerm& term, std::int64_t largest);

  // The counts of a chunk, which outlive the sums.
  struct Source {
    std::int64_t steps = 0;
    std::int64_t largest = 0;                    // no count is above it, and it Fits
    const kernels::EventList* events = nullptr;  // null: by digits, of
    const std::uint8_t* cells = nullptr;         // [steps][stride], with kCountPadding readable behind
    std::int64_t stride = 0;
  };

  // Goes to the window of an output pixel.
  void SetWindow(const VectorTerm& term, std::int64_t pixel, const Source& source);
  // How many windows of a term should be summed together, so that weights which lie far away come once for
  // all of them.
  static std::int64_t Bundle(const VectorTerm& term);
  static constexpr std::int64_t kMostPerBundle = 8;
  // Upper bound of what the windows that are summed together take: the spikes under them, as numbers and as
  // bytes, and the sums and running sums of a block of neurons.
  static std::int64_t Bytes(const VectorTerm& term, std::int64_t steps);
  // Sums of several windows of one term and source, at most kMostPerBundle, of the output channels from
  // kLaneUnit * `first_slice` on. Last gives those of each, until the next call.
  static void SumTogether(std::span<WindowSums* const> windows, std::int64_t first_slice,
                          std::int64_t slices);
  Sums Last() const { return {sums_.data(), wide_ ? high_.data() : nullptr}; }

 private:
  void CollectWindow();
  bool IsWhole() const;
  void CopyWindow();
  // Room for the sums of `slices` slices.
  void Begin(std::int64_t slices);
  void SumDigits(std::int64_t slice, std::int64_t index);
  void AddTile(std::int64_t slice, std::int64_t index, std::int64_t tile, int digit, std::size_t part,
               std::size_t parts);

  const VectorTerm* term_ = nullptr;
  Source source_;
  bool wide_ = false;                         // sums may pass an int32
  std::vector<kernels::CellRange> ranges_;    // of the window
  std::vector<kernels::CellRange> of_tile_;   // of one tile, rows counted from its first
  std::vector<kernels::SpikeGroups> spikes_;  // [tile][digit]
  std::vector<std::uint8_t> cells_;           // [steps][cell_stride_]: of the window, for the digit path
  std::int64_t cell_stride_ = 0, segment_stride_ = 0;
  const std::uint8_t* counts_ = nullptr;  // these, or the source's own
  std::int64_t stride_ = 0;               // of the sums
  kernels::AlignedVector<std::int32_t> sums_, high_, running_;
};

}  // namespace spikeserve::engine
