#pragma once

#include <cstdint>
#include <span>

#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// The largest value minus the second largest; +infinity with one value.
double Margin(std::span<const double> values);

// The next step after `done` at which the answer is looked at.
std::int64_t NextCheck(const EarlyExit& exit, std::int64_t done);

}  // namespace spikeserve::engine
