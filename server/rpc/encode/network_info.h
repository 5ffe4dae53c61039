#pragma once

#include "server/serving/networks/network_registry.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// What a client may know about a network; little more than its name while it loads or goes.
v1::NetworkInfo EncodeNetworkInfo(const serving::NetworkListing& listing);

// The same of a network that is or was ready.
v1::NetworkInfo EncodeNetworkInfo(const serving::NetworkEntry& entry, serving::NetworkState state);

// Upper bound of the memory that EncodeNetworkInfo's answer takes, in bytes.
std::int64_t NetworkInfoBytes(const serving::NetworkListing& listing);

}  // namespace spikeserve::rpc
