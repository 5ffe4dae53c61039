#include "kernels/cpu/pool_cells.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pool_cells.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

void AddBytes(const std::uint8_t* __restrict from, std::uint8_t* __restrict to, std::int32_t length) {
  for (std::int32_t i = 0; i < length; ++i) {
    to[i] = static_cast<std::uint8_t>(to[i] + from[i]);
  }
}

// to[i] = sum of source[base + i] over the bases, of which there is one at least, for i in [0, length).
void SumBytes(const std::uint8_t* source, std::span<const std::int32_t> bases, std::uint8_t* to,
              std::int32_t length) {
  std::memcpy(to, source + bases[0], static_cast<std::size_t>(length));
  for (const std::int32_t base : bases.subspan(1)) {
    AddBytes(source + base, to, length);
  }
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {
namespace {

constexpr std::int32_t kShortRun = 24;  // for longer ones vectors are worth a call

// Whether the sources of cell `next` are those of cell `cell`, each one further.
bool Continues(const GatherSum& gather, std::size_t cell, std::size_t next) {
  const auto count = gather.start[cell + 1] - gather.start[cell];
  if (gather.start[next + 1] - gather.start[next] != count) {
    return false;
  }
  const auto a = gather.index.begin() + gather.start[cell];
  const auto b = gather.index.begin() + gather.start[next];
  return std::equal(a, a + count, b, [](std::int32_t x, std::int32_t y) { return x + 1 == y; });
}

}  // namespace

HWY_EXPORT(SumBytes);

CellRuns::CellRuns(const GatherSum& gather) {
  const std::size_t cells = gather.start.empty() ? 0 : gather.start.size() - 1;
  for (std::size_t cell = 0; cell < cells;) {
    std::size_t end = cell + 1;
    while (end < cells && Continues(gather, end - 1, end)) {
      ++end;
    }
    runs_.push_back({static_cast<std::int32_t>(cell), static_cast<std::int32_t>(end - cell),
                     static_cast<std::int32_t>(gather.start[cell + 1] - gather.start[cell]),
                     static_cast<std::int64_t>(bases_.size())});
    bases_.insert(bases_.end(), gather.index.begin() + gather.start[cell],
                  gather.index.begin() + gather.start[cell + 1]);
    cell = end;
  }
}

void CellRuns::Gather(const std::uint8_t* source, std::uint8_t* cells) const {
  auto* const sum_bytes = HWY_DYNAMIC_DISPATCH(SumBytes);
  for (const Run& run : runs_) {
    std::uint8_t* to = cells + run.first;
    if (run.bases == 0) {
      std::memset(to, 0, static_cast<std::size_t>(run.length));
      continue;
    }
    if (run.length <= kShortRun) {
      GatherShort(run, source, to);
      continue;
    }
    const auto bases = std::span(bases_).subspan(static_cast<std::size_t>(run.first_base),
                                                 static_cast<std::size_t>(run.bases));
    sum_bytes(source, bases, to, run.length);
  }
}

template <typename T>
void CellRuns::GatherWide(const T* source, std::int32_t* cells) const {
  for (const Run& run : runs_) {
    const std::int32_t* base = bases_.data() + run.first_base;
    std::int32_t* const to = cells + run.first;
    for (std::int32_t i = 0; i < run.length; ++i) {
      std::int32_t sum = 0;
      for (std::int32_t b = 0; b < run.bases; ++b) {
        sum += source[base[b] + i];
      }
      to[i] = sum;
    }
  }
}

void CellRuns::Gather(std::span<const std::uint8_t> source, std::span<std::int32_t> cells) const {
  GatherWide(source.data(), cells.data());
}

void CellRuns::Gather(std::span<const std::int32_t> source, std::span<std::int32_t> cells) const {
  GatherWide(source.data(), cells.data());
}

// Eight bytes at a time, as an integer: sums that fit their bytes carry nothing into the next. What comes
// behind the run is spoilt, and written by the runs that follow.
void CellRuns::GatherShort(const Run& run, const std::uint8_t* source, std::uint8_t* to) const {
  static_assert(std::endian::native == std::endian::little, "bytes behind the run must be the higher ones");
  const std::int32_t* base = bases_.data() + run.first_base;
  for (std::int32_t at = 0; at < run.length; at += static_cast<std::int32_t>(sizeof(std::uint64_t))) {
    std::uint64_t sum = 0;
    for (std::int32_t b = 0; b < run.bases; ++b) {
      std::uint64_t word;
      std::memcpy(&word, source + base[b] + at, sizeof(word));
      sum += word;
    }
    std::memcpy(to + at, &sum, sizeof(sum));
  }
}

std::int64_t CellRuns::bytes() const {
  return static_cast<std::int64_t>(runs_.size() * sizeof(Run) + bases_.size() * sizeof(std::int32_t));
}

}  // namespace spikeserve::kernels
#endif
