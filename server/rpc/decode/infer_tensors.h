#pragma once

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// Moves the inputs of an Open Inference Protocol request, raw or typed, into `request`. Their shapes, sizes
// and values are checked with the rest of it. INVALID_ARGUMENT: raw and typed contents together, too few or
// too many raw ones, a datatype that the input does not take, typed values that are not of it.
Status DecodeInferInputs(inference::ModelInferRequest& message, const engine::Network& network,
                         v1::SimulateRequest& request);

}  // namespace spikeserve::rpc
