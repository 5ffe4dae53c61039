#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/product.h"

namespace spikeserve::kernels {

// A gather whose cells come in runs: cell first + i is the sum of the source elements base + i of the run's
// bases, for i in [0, length). Pooling over channels-last maps has one run per window.
class CellRuns {
 public:
  CellRuns() = default;
  explicit CellRuns(const GatherSum& gather);

  // cells = sums of the source elements, which must fit a byte. kCountPadding bytes behind the source are
  // readable, and behind the cells may be spoilt.
  void Gather(const std::uint8_t* source, std::uint8_t* cells) const;

  // The same of sums that may not fit a byte.
  void Gather(std::span<const std::uint8_t> source, std::span<std::int32_t> cells) const;
  void Gather(std::span<const std::int32_t> source, std::span<std::int32_t> cells) const;

  std::int64_t runs() const { return static_cast<std::int64_t>(runs_.size()); }
  std::int64_t bytes() const;

 private:
  struct Run {
    std::int32_t first = 0;
    std::int32_t length = 0;
    std::int32_t bases = 0;       // how many
    std::int64_t first_base = 0;  // in bases_
  };
  template <typename T>
  void GatherWide(const T* source, std::int32_t* cells) const;
  void GatherShort(const Run& run, const std::uint8_t* source, std::uint8_t* to) const;

  std::vector<Run> runs_;
  std::vector<std::int32_t> bases_;
};

}  // namespace spikeserve::kernels
