#pragma once

#include <cstdint>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/simulation.h"
#include "server/rpc/decode/decode_inputs.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// Sets the encodings of `inputs` from the request, defaults filled in. INVALID_ARGUMENT where one names no
// input, has parameters out of range, or meets values that it cannot encode.
Status DecodeEncodings(const google::protobuf::RepeatedPtrField<v1::Encoding>& encodings,
                       const engine::Network& network, const engine::RunSettings& settings,
                       DecodedInputs& inputs);

// Appends the encodings of the inputs that have one.
void EncodeEncodings(const engine::Network& network, const std::vector<engine::InputFormat>& inputs,
                     google::protobuf::RepeatedPtrField<v1::Encoding>& encoded);

}  // namespace spikeserve::rpc
