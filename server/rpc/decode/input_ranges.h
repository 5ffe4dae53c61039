#pragma once

#include <string>
#include <vector>

#include "server/engine/network/network.h"
#include "server/serving/networks/network_entry.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// A sentence for each input whose values are on quite another scale than those that the network was
// calibrated on, as bytes are beside numbers from 0 to 1. None for zeros alone, and none where `ranges` do
// not tell. The arrays have passed DecodeInputs.
std::vector<std::string> InputWarnings(const google::protobuf::RepeatedPtrField<v1::Array>& arrays,
                                       const engine::Network& network,
                                       const std::vector<serving::InputRange>& ranges);

// Whether all samples have the same bytes, in every array: one sample does.
bool EqualSamples(const google::protobuf::RepeatedPtrField<v1::Array>& arrays);

}  // namespace spikeserve::rpc
