#pragma once

#include <cstdint>
#include <span>

// Element-wise arithmetic on the currents of one layer of one sample. All spans have the layer's length.
namespace spikeserve::kernels {

// currents[j] = sums[j] rounded once to float32, times scale[j].
void Scale(std::span<const std::int32_t> sums, std::span<const float> scale, std::span<float> currents);
void Scale(std::span<const std::int64_t> sums, std::span<const float> scale, std::span<float> currents);
void Scale(std::span<const float> sums, std::span<const float> scale, std::span<float> currents);
// The same of sums 2^16 * high + low, of magnitude below 2^40, with low >= 0.
void Scale(std::span<const std::int32_t> low, std::span<const std::int32_t> high,
           std::span<const float> scale, std::span<float> currents);

// sum += filter; then filter = fma(decay, filter, current): what was filtered up to the last step acts now.
void AddFiltered(std::span<const float> currents, float decay, std::span<float> filter, std::span<float> sum);
void Add(std::span<const float> currents, std::span<float> sum);

}  // namespace spikeserve::kernels
