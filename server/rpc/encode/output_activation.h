#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/serving/networks/network_entry.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// The activation that a network leaves to its clients at a probe, by its index in the definition; null where
// there is none.
const serving::OutputActivation* ActivationOf(const serving::NetworkEntry& entry, std::int64_t probe);

v1::OutputActivation Encode(const serving::OutputActivation& activation);

// In words, "sigmoid" or "relu(alpha=0.2,max_value=6)", for clients that have no such message; the number of
// a function that this server does not know.
std::string ActivationText(const serving::OutputActivation& activation);

}  // namespace spikeserve::rpc
