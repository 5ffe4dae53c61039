#pragma once

#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/simulation.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// The probes that a request brings along, and their names.
struct RequestProbes {
  std::vector<engine::RequestProbe> probes;
  std::vector<std::string> names;
};

// Checks them against the network and a run of `steps` steps; 0: a session, whose probes have no window.
// INVALID_ARGUMENT names the field, what it got and what is allowed.
Result<RequestProbes> DecodeRequestProbes(const google::protobuf::RepeatedPtrField<v1::RequestProbe>& probes,
                                          const engine::Network& network, std::int64_t steps);

// Gives `spec`, which has everything else already, its early exit, defaults filled in; `class_probe` is that
// of AnswerSpec. INVALID_ARGUMENT as above.
Status DecodeEarlyExit(const v1::EarlyExit& message, int class_probe, engine::SimulationSpec& spec);

void EncodeEarlyExit(const engine::EarlyExit& exit, v1::EarlyExit& encoded);

}  // namespace spikeserve::rpc
