#pragma once

#include <cstdint>

#include "kernels/math/lanes.h"

// From the sums of digit products (kernels/cpu/spikes/digit_sums.h) to what neurons with memory have sent.
namespace spikeserve::kernels {

// Digits of counts that SendSums takes at most.
constexpr int kMostPlanes = 4;

// Of what is added to sums, in halves: 2^16 * high + low, low in [0, 2^16).
struct BaseHalves {
  const std::int32_t* low = nullptr;
  const std::int32_t* high = nullptr;
};

// The shift of channels that are not real: nothing is left of what they have.
constexpr std::uint8_t kShiftOfNone = 63;

// kLaneUnit channels of neurons with memory at some pixels, of which the first `width` are real.
struct SendJob {
  std::int64_t pixels = 0;
  std::int64_t width = 0;
  // Of digit p of the counts, which counts for 2^(p * bits): sums 2^16 * high + low, [pixels][sum_stride].
  int planes = 1;
  int bits = 8;
  const std::int32_t* low[kMostPlanes] = {};
  const std::int32_t* high[kMostPlanes] = {};
  std::int64_t sum_stride = kLaneUnit;
  std::int64_t times = 1;  // of all sums
  // What is added: [pixels][base_stride], or where that is 0 the same for all pixels. kLaneUnit are readable.
  const std::int64_t* base = nullptr;
  std::int64_t base_stride = 0;
  const std::uint8_t* shift = nullptr;  // [kLaneUnit], kShiftOfNone from `width` on
  std::int64_t stride = 0;              // from pixel to pixel of what is set
  // The same as `base`, where FitsHalves() holds; else null.
  BaseHalves halves;
  // [pixels]: what SendSums() returns, of each pixel alone. Or null.
  std::uint64_t* seen = nullptr;
};

// Whether 32 bits at a time are enough, where no sum of all digits, times `times`, is above `largest_sum` in
// magnitude, nothing that is added above `largest_base`, and no shift below `least_shift`.
bool FitsHalves(int planes, std::int64_t times, double largest_sum, double largest_base, int least_shift);

// Sets, for every pixel, what its neurons have sent: max(Z / 2^shift rounded down, 0) with Z = times * sums +
// base. Returns a number with as many bits as the largest of them: where these are more than `sent` holds, it
// is of no use.
std::uint64_t SendSums(const SendJob& job, std::uint8_t* sent);
std::uint64_t SendSums(const SendJob& job, std::int32_t* sent);

}  // namespace spikeserve::kernels
