#pragma once

#include <cstdint>
#include <span>

#include "server/engine/run/reading.h"

namespace spikeserve::engine {

// a + b and a * b; the nearest integer of 64 bits where they are beyond those.
std::int64_t SaturatingAdd(std::int64_t a, std::int64_t b);
std::int64_t SaturatingMultiply(std::int64_t a, std::int64_t b);

// What the neurons of a layer did. spikes: [neurons], what each emitted; fan_out: [neurons], the weights that
// a spike of each reaches. Sums saturate: a client's weights and inputs decide how large they get.
LayerActivity Summarise(std::span<const std::int64_t> spikes, std::span<const std::int64_t> fan_out);

}  // namespace spikeserve::engine
