#pragma once

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/simulation.h"
#include "server/rpc/wire/limits.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// The settings of a run: the request's, else the network's, else the server's own.
Result<engine::RunSettings> DecodeSettings(const v1::SimulateRequest& request,
                                           const engine::RunDefaults& stored, const Limits& limits);

// Into the settings of a response.
void EncodeSettings(const engine::RunSettings& settings, v1::EffectiveSettings& encoded);

}  // namespace spikeserve::rpc
