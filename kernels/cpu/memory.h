#pragma once

#include <cstdint>
#include <span>

// Element-wise work on neurons with memory (kernels/math/memory.h) of one layer of one sample.
namespace spikeserve::kernels {

// z[j] += times * values[j].
void AddTimes(std::span<const std::int64_t> values, std::int64_t times, std::span<std::int64_t> z);

// z[j] += (low[j] + 2^16 * high[j]) * 2^shift.
void AddHalves(std::span<const std::int32_t> low, std::span<const std::int32_t> high, int shift,
               std::span<std::int64_t> z);

// sent[j] = math::SentRectified(z[j], start[j], shift[j]). Returns the largest: above 2^31 - 1 `sent` is of
// no use.
std::int64_t SendRectified(std::span<const std::int64_t> z, std::span<const std::int64_t> start,
                           std::span<const std::uint8_t> shift, std::span<std::int32_t> sent);

// The sum of all magnitudes.
std::int64_t SumMagnitudes(std::span<const std::int32_t> counts);
std::int64_t SumMagnitudes(std::span<const std::uint8_t> counts);

// digits[j] = cells[j] / 2^shift modulo 2^bits, of cells >= 0.
void TakeDigits(std::span<const std::int32_t> cells, int shift, int bits, std::uint8_t* digits);
void TakeDigits(std::span<const std::uint8_t> cells, int shift, int bits, std::uint8_t* digits);

// Digits of counts that SendSums takes at most.
constexpr int kMostPlanes = 4;

// kLaneUnit channels of neurons with memory at some pixels, of which the first `width` are real.
struct SendJob {
  std::int64_t pixels = 0;
  std::int64_t width = 0;
  // Of digit p of the counts, which counts for 2^(p * bits): sums 2^16 * high + low, [pixels][kLaneUnit].
  int planes = 1;
  int bits = 8;
  const std::int32_t* low[kMostPlanes] = {};
  const std::int32_t* high[kMostPlanes] = {};
  std::int64_t times = 1;  // of all sums
  // What is added: [pixels][base_stride], or where that is 0 the same for all pixels. kLaneUnit are readable.
  const std::int64_t* base = nullptr;
  std::int64_t base_stride = 0;
  const std::uint8_t* shift = nullptr;  // [kLaneUnit]
  std::int64_t stride = 0;              // from pixel to pixel of what is set
};

// Sets, for every pixel, what its neurons have sent: max(Z / 2^shift rounded down, 0) with Z = times * sums +
// base. Returns a number with as many bits as the largest of them: where these are more than `sent` holds, it
// is of no use.
std::uint64_t SendSums(const SendJob& job, std::uint8_t* sent);
std::uint64_t SendSums(const SendJob& job, std::int32_t* sent);

}  // namespace spikeserve::kernels
