#pragma once

#include <cstddef>
#include <string>

#include "server/engine/run/simulation.h"

namespace spikeserve::testing {

// Everything a reading says about one sample, as bytes.
std::string ReadingBytes(const engine::Reading& reading, std::size_t sample);

}  // namespace spikeserve::testing
