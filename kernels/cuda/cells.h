#pragma once

#include <cstdint>

#include "kernels/math/annotations.h"

// What products, folds and probes read: rows of small integers or floats in one of four formats.
namespace spikeserve::cuda {

// A spike count as float16, in which integers up to kLargestHalfCount are exact: the operand of tensor cores.
struct Half {
  std::uint16_t bits;
};
constexpr std::int32_t kLargestHalfCount = 2048;

// `count` in [-kLargestHalfCount, kLargestHalfCount]. By bits, so that host and device need no library for
// it.
SPIKESERVE_HOST_DEVICE Half HalfOf(std::int32_t count) {
  if (count == 0) {
    return {0};
  }
  union {
    float value;
    std::uint32_t bits;
  } pun = {static_cast<float>(count < 0 ? -count : count)};
  constexpr std::uint32_t kBiasDifference = (127U - 15U) << 10;
  const std::uint32_t sign = count < 0 ? 0x8000U : 0U;
  return {static_cast<std::uint16_t>(sign | ((pun.bits >> 13) - kBiasDifference))};
}

SPIKESERVE_HOST_DEVICE std::int32_t Value(Half half) {
  const std::int32_t exponent = (half.bits >> 10) & 0x1f;
  const std::int32_t mantissa = 2048 + 2 * (half.bits & 0x3ff);  // 2^11 (1 + fraction)
  const std::int32_t size = exponent == 0 ? 0 : mantissa >> (26 - exponent);
  return (half.bits & 0x8000) != 0 ? -size : size;
}
SPIKESERVE_HOST_DEVICE std::int32_t Value(std::int32_t count) { return count; }
SPIKESERVE_HOST_DEVICE std::int32_t Value(std::uint8_t byte) { return byte; }
SPIKESERVE_HOST_DEVICE float Value(float value) { return value; }

enum class CellType { kHalf, kInt32, kByte, kFloat };

// [rows][stride] in device memory.
struct Cells {
  const void* data = nullptr;
  CellType type = CellType::kHalf;
  std::int64_t stride = 0;
};

// One cell by its position, whatever the integer format.
SPIKESERVE_HOST_DEVICE std::int32_t LoadCount(const Cells& cells, std::int64_t at) {
  switch (cells.type) {
    case CellType::kHalf: return Value(static_cast<const Half*>(cells.data)[at]);
    case CellType::kInt32: return static_cast<const std::int32_t*>(cells.data)[at];
    default: return static_cast<const std::uint8_t*>(cells.data)[at];
  }
}

SPIKESERVE_HOST_DEVICE float LoadFloat(const Cells& cells, std::int64_t at) {
  return static_cast<const float*>(cells.data)[at];
}

// A float, or a count times `factor`.
SPIKESERVE_HOST_DEVICE float LoadValue(const Cells& cells, std::int64_t at, float factor) {
  return cells.type == CellType::kFloat ? LoadFloat(cells, at)
                                        : static_cast<float>(LoadCount(cells, at)) * factor;
}

// Writes a count that fits the format.
SPIKESERVE_HOST_DEVICE void StoreCount(void* data, CellType type, std::int64_t at, std::int32_t count) {
  if (type == CellType::kHalf) {
    static_cast<Half*>(data)[at] = HalfOf(count);
  } else {
    static_cast<std::int32_t*>(data)[at] = count;
  }
}

}  // namespace spikeserve::cuda
