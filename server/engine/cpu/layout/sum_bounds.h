#pragma once

// Up to which magnitude sums of integer weights times counts are exact. As float64: a product of bounds may
// pass every integer.
namespace spikeserve::engine {

constexpr double kNarrowSums = 2147483647.0;         // in an int32
constexpr double kHalvedSums = 1099511627776.0;      // 2^40: in two int32, of which one counts for 2^16
constexpr double kWideSums = 4611686018427387904.0;  // 2^62: in an int64, with room for the bound's rounding

}  // namespace spikeserve::engine
