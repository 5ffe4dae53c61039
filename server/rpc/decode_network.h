#pragma once

#include <cstdint>
#include <string_view>

#include "server/base/status.h"
#include "server/serving/network_entry.h"

namespace spikeserve::rpc {

// Reads a serialized spikeserve.v1.NetworkDefinition. What the message holds that a definition cannot
// (unknown enum values, empty oneofs, a wrong digest) is among the result's violations.
Result<serving::ParsedNetwork> DecodeNetwork(std::string_view bytes, std::int64_t max_structure_bytes);

}  // namespace spikeserve::rpc
