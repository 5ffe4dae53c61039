#pragma once

#include "server/engine/network/network_definition.h"
#include "server/engine/run/backend.h"
#include "server/serving/networks/network_registry.h"
#include "spikeserve/v1/network.pb.h"

// The enumerations of the wire and those of the engine. A value this server does not know becomes
// kUnspecified, which the engine's checks report.
namespace spikeserve::rpc {

engine::DataType Decode(v1::DataType type);
engine::PoolKind Decode(v1::PoolKind kind);
engine::ProbeQuantity Decode(v1::ProbeQuantity quantity);
engine::ReadoutKind Decode(v1::ReadoutKind kind);

v1::DataType Encode(engine::DataType type);
v1::ProbeQuantity Encode(engine::ProbeQuantity quantity);
v1::ReadoutKind Encode(engine::ReadoutKind kind);
v1::Mode Encode(engine::Mode mode);
v1::NetworkState Encode(serving::NetworkState state);

}  // namespace spikeserve::rpc
