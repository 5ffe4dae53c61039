#pragma once

#include "server/base/status.h"
#include "server/rpc/calls/lookup_call.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// GetNetwork and ListNetworks.
Status AnswerGetNetwork(LookupCall& lookup, const v1::GetNetworkRequest& message);
Status AnswerListNetworks(LookupCall& lookup, const v1::ListNetworksRequest& message);

}  // namespace spikeserve::rpc
