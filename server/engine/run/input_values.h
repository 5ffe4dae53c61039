#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "server/engine/network/network_definition.h"

namespace spikeserve::engine {

// Values of an input from number `first` on, as float32.
void ReadInput(const InputOperation& input, DataType type, const std::byte* data, std::int64_t first,
               std::span<float> values);

}  // namespace spikeserve::engine
