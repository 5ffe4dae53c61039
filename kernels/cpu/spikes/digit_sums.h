#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/aligned.h"
#include "kernels/cpu/packed_weights.h"

// Sums of integer weights times spike counts as products of digits: weights are cut into signed 8-bit digits,
// so that processors with VNNI multiply and add four bytes per lane at once. Others add up pairs of products
// in 16 bits, as long as they fit. For layers where most cells spike.
namespace spikeserve::kernels {

// Whether this machine, with the target in force, has VNNI.
bool HasDigitInstructions();
// Rows of weights up to which digits may be worth while on it, for counts up to MostDigitCount(); 0: never.
// Without VNNI the digits of a slice are read again for almost every step, from the nearest cache at best.
std::int64_t MostDigitRows();
std::int64_t MostDigitCount();

// Cells that are multiplied together.
constexpr std::int64_t kDigitCells = 4;

// Weights as digits, q = d0 + 2^8 d1 + 2^16 d2 with d0 and d1 in [-128, 127], padded with zeros:
// [slice of kLaneUnit outputs][segment][group of kDigitCells rows][digit][output][row]. Immutable once made.
class DigitWeights {
 public:
  DigitWeights() = default;
  // `weights` is [rows][channels], of magnitude up to 2^22. The rows come in `segments` of as many each,
  // whose cells lie side by side, such as the rows of a convolution's kernel.
  DigitWeights(std::span<const std::int32_t> weights, std::int64_t rows, std::int64_t channels,
               std::int64_t segments = 1);

  bool empty() const { return values_.empty(); }
  // Of a weight: 1 or 2 where that is enough for all of them, else 3.
  int digits() const { return digits_; }
  // Of all segments; each begins with a new group.
  std::int64_t groups() const { return groups_; }
  std::int64_t segments() const { return segments_; }
  std::int64_t segment_groups() const { return groups_ / segments_; }
  const std::int8_t* slice(std::int64_t slice) const {
    return values_.data() + slice * groups_ * digits_ * kDigitCells * kLaneUnit;
  }
  std::int64_t bytes() const { return static_cast<std::int64_t>(values_.size()); }

 private:
  int digits_ = 3;
  std::int64_t segments_ = 1;
  std::int64_t groups_ = 0;
  AlignedVector<std::int8_t> values_;
};

// Where counts lie and sums go.
struct DigitJob {
  std::int64_t steps = 0;
  // [steps][cell_stride]. In each step kDigitCells * segment_groups are readable from each segment on; those
  // that are no cells of it meet weights of 0.
  const std::uint8_t* cells = nullptr;
  std::int64_t cell_stride = 0;
  std::int64_t segment_stride = 0;  // cells from one segment to the next
  std::int32_t* sums = nullptr;     // [steps][stride], the first slices * kLaneUnit of each row are set
  std::int32_t* high = nullptr;  // likewise; null where sums fit an int32, else a sum is 2^16 * high + sums
  std::int64_t stride = 0;
  std::int64_t largest = 255;  // no count is above it
  std::int64_t slices = 1;     // that are summed at once
};

constexpr std::int64_t kMostDigitSlices = 2;

// Slices that are best summed at once, for so many steps: where those of one are few sums, which wait for
// each other, two share the counts. At most kMostDigitSlices.
std::int64_t DigitSlices(const DigitWeights& weights, std::int64_t steps);

// Sets the sums of slices [slice, slice + job.slices), as many as DigitSlices() says or one. Rows times the
// largest count times 128 must be below 2^31, and with `high` a sum's magnitude below 2^40; its low part is
// at least 0, but may pass 2^16.
void SumDigits(const DigitWeights& weights, std::int64_t slice, const DigitJob& job);

// Steps that can share a list of groups.
constexpr std::int64_t kListedSteps = 4;

// Appends to `list` the groups of kDigitCells cells, of `groups` ones side by side, in which one of
// `job.steps` steps has a count other than 0.
void ListUsedGroups(const DigitJob& job, std::int64_t groups, std::vector<std::int32_t>& list);

// SumDigits for weights of one segment and at most kListedSteps steps, of which `used` lists the used groups.
void SumListedDigits(const DigitWeights& weights, std::int64_t slice, const DigitJob& job,
                     std::span<const std::int32_t> used);

}  // namespace spikeserve::kernels
