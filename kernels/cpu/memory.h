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

// counts[j] = now[j] - sent[j], then sent[j] = now[j]. Returns the largest magnitude of `counts`. All that
// has been sent fits an int32, and so does what changes.
std::int32_t TakeChange(std::span<const std::int32_t> now, std::span<std::int64_t> sent,
                        std::span<std::int32_t> counts);

// The sum of all magnitudes.
std::int64_t SumMagnitudes(std::span<const std::int32_t> counts);
std::int64_t SumMagnitudes(std::span<const std::uint8_t> counts);

// digits[j] = cells[j] / 2^shift modulo 2^bits, of cells >= 0.
void TakeDigits(std::span<const std::int32_t> cells, int shift, int bits, std::uint8_t* digits);
void TakeDigits(std::span<const std::uint8_t> cells, int shift, int bits, std::uint8_t* digits);

}  // namespace spikeserve::kernels
