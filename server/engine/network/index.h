#pragma once

#include <cstddef>
#include <cstdint>

namespace spikeserve::engine {

// Counts and positions are signed here; containers index by std::size_t. `value` >= 0.
constexpr std::size_t Index(std::int64_t value) { return static_cast<std::size_t>(value); }

}  // namespace spikeserve::engine
