#pragma once

#include "server/base/status.h"
#include "server/engine/run/backend.h"
#include "server/rpc/wire/limits.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// Whether the header of an upload is within the rules. INVALID_ARGUMENT or RESOURCE_EXHAUSTED.
Status CheckUploadHeader(const v1::LoadNetworkHeader& header, const Limits& limits);

// INVALID_ARGUMENT where `name` cannot be that of a network, or `version` that of one or 0.
Status CheckNetworkName(const std::string& name, std::int64_t version);

// The same for what may be NAME@ALIAS too.
Status CheckNetworkReference(const std::string& name, std::int64_t version);

// The mode of a checked header.
engine::Mode DecodeMode(v1::Mode mode);

}  // namespace spikeserve::rpc
