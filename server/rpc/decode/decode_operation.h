#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// What a message holds that a definition cannot, in words.
using Problems = std::vector<std::string>;

// A kind that is unset or unknown becomes std::monostate, which the engine's checks report.
engine::OperationDefinition DecodeOperation(v1::Operation& operation, Problems& problems);

// `where` names what the synapse or voltage belongs to.
engine::Synapse DecodeSynapse(const v1::Synapse& synapse, const std::string& where, Problems& problems);
std::optional<engine::InitialVoltage> DecodeVoltage(const v1::InitialVoltage& voltage,
                                                    const std::string& where, Problems& problems);

}  // namespace spikeserve::rpc
