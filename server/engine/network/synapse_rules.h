#pragma once

#include <cstdint>
#include <string>

#include "server/engine/network/network_definition.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

constexpr std::int64_t kMaxDelaySteps = 4096;

// Reports every way in which a synapse or a delay breaks its rules at the network's own dt; `where` names
// what it belongs to.
void CheckSynapse(const Synapse& synapse, std::int64_t delay_steps, double dt_s, const std::string& where,
                  Violations& violations);

// All poles of 1/polynomial (highest power first, first coefficient not 0) lie left of 0 in s, or inside the
// unit circle in z.
bool IsStable(const std::vector<double>& polynomial, bool discrete);

}  // namespace spikeserve::engine
