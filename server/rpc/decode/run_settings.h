#pragma once

#include <cstdint>
#include <string>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/simulation.h"
#include "server/rpc/wire/limits.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// The settings of a run: the request's, else the network's, else the server's own.
Result<engine::RunSettings> DecodeSettings(const v1::SimulateRequest& request,
                                           const engine::RunDefaults& stored, const Limits& limits);

// Whether this server runs so many steps: INVALID_ARGUMENT below 1, RESOURCE_EXHAUSTED above its limit.
// `where` stands before the name of the field, `origin` says where the value came from.
Status CheckSteps(const std::string& where, std::int64_t steps, const char* origin, const Limits& limits);

// Into the settings of a response.
void EncodeSettings(const engine::RunSettings& settings, v1::EffectiveSettings& encoded);

}  // namespace spikeserve::rpc
