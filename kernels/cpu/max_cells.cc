#include "kernels/cpu/max_cells.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/max_cells.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

template <typename T>
void TakeLarger(const T* __restrict values, T* __restrict largest, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    largest[j] = largest[j] < values[j] ? values[j] : largest[j];
  }
}

// Windows of one block have the same cells, each a run of as many elements.
template <typename T>
void MaxOfWindows(const GatherSum& windows, const T* values, T* largest, std::size_t size) {
  const auto block = static_cast<std::size_t>(windows.block);
  for (std::size_t first = 0; first < size; first += block) {
    for (auto e = windows.start[first]; e < windows.start[first + 1]; ++e) {
      TakeLarger(values + windows.index[static_cast<std::size_t>(e)], largest + first, block);
    }
  }
}

void MaxOfBytes(const GatherSum& windows, const std::uint8_t* values, std::uint8_t* largest,
                std::size_t size) {
  MaxOfWindows(windows, values, largest, size);
}
void MaxOfCounts(const GatherSum& windows, const std::int32_t* values, std::int32_t* largest,
                 std::size_t size) {
  MaxOfWindows(windows, values, largest, size);
}
void MaxOfTotals(const GatherSum& windows, const std::int64_t* values, std::int64_t* largest,
                 std::size_t size) {
  MaxOfWindows(windows, values, largest, size);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(MaxOfBytes);
HWY_EXPORT(MaxOfCounts);
HWY_EXPORT(MaxOfTotals);

void MaxCells(const GatherSum& windows, std::span<const std::uint8_t> values,
              std::span<std::uint8_t> largest) {
  HWY_DYNAMIC_DISPATCH(MaxOfBytes)(windows, values.data(), largest.data(), largest.size());
}

void MaxCells(const GatherSum& windows, std::span<const std::int32_t> values,
              std::span<std::int32_t> largest) {
  HWY_DYNAMIC_DISPATCH(MaxOfCounts)(windows, values.data(), largest.data(), largest.size());
}

void MaxCells(const GatherSum& windows, std::span<const std::int64_t> values,
              std::span<std::int64_t> largest) {
  HWY_DYNAMIC_DISPATCH(MaxOfTotals)(windows, values.data(), largest.data(), largest.size());
}

}  // namespace spikeserve::kernels
#endif
