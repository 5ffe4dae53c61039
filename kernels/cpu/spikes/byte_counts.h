#pragma once

#include <cstdint>
#include <span>

// What a row of bytes holds.
namespace spikeserve::kernels {

// How many bits of the values are 1.
std::int64_t CountOnes(std::span<const std::uint8_t> values);

// The values added up.
std::int64_t SumBytes(std::span<const std::uint8_t> values);

// How many of the values are not 0.
std::int64_t CountNonZero(std::span<const std::uint8_t> values);

// The largest of the values, 0 of none.
std::uint8_t LargestByte(std::span<const std::uint8_t> values);

}  // namespace spikeserve::kernels
