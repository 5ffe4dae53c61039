#pragma once

#include <cstdint>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/backend.h"
#include "server/engine/run/simulation.h"
#include "server/rpc/wire/limits.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// A batch of inputs in the engine's terms. Points into the request it was made from.
struct DecodedInputs {
  std::vector<engine::InputFormat> formats;  // in Network::inputs() order
  std::vector<engine::SampleInputs> samples;
};

// Checks names, shapes, sizes, types and every value of `arrays` for a run of `steps` steps.
Result<DecodedInputs> DecodeInputs(const google::protobuf::RepeatedPtrField<v1::Array>& arrays,
                                   const engine::Network& network, engine::Mode mode, std::int64_t steps,
                                   const Limits& limits);

}  // namespace spikeserve::rpc
