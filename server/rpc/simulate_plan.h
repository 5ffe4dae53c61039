#pragma once

#include <cstdint>

#include "server/base/status.h"
#include "server/engine/simulation.h"
#include "server/rpc/classification.h"
#include "server/rpc/decode_inputs.h"
#include "server/rpc/limits.h"
#include "server/serving/network_entry.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// What answering a request needs to know of it. Immutable once made.
struct ResponsePlan {
  serving::NetworkHandle network;
  engine::SimulationSpec spec;
  std::int64_t samples = 0;
  int class_probe = -1;  // index in spec.probes of the first OUTPUT probe; -1 where there is none
  ClassificationOptions classification;
  std::int64_t response_bytes = 0;  // upper bound of the tensors of the response
};

// A checked request: what to run and how to answer.
struct SimulatePlan {
  ResponsePlan response;
  std::vector<engine::SampleInputs> samples;  // point into the request
};

// Checks every field of `request`. INVALID_ARGUMENT and RESOURCE_EXHAUSTED name the field, what it holds and
// what is allowed.
Result<SimulatePlan> PlanSimulation(const v1::SimulateRequest& request, serving::NetworkHandle network,
                                    const Limits& limits);

// The element type of the tensors of a response.
v1::DataType ResponseType(engine::Mode mode);

}  // namespace spikeserve::rpc
