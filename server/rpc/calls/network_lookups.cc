#include "server/rpc/calls/network_lookups.h"

#include <cstdint>
#include <vector>

#include "server/rpc/decode/upload_header.h"
#include "server/rpc/encode/network_info.h"

namespace spikeserve::rpc {

Status AnswerGetNetwork(LookupCall& lookup, const v1::GetNetworkRequest& message) {
  lookup.record().network = message.name();
  if (Status status = CheckNetworkName(message.name(), message.version()); !status.ok()) {
    return status;
  }
  const auto listing = lookup.context().registry.Find(message.name(), message.version());
  if (!listing.ok()) {
    return listing.status();
  }
  lookup.record().version = listing.value().version;
  if (Status status = lookup.Reserve(NetworkInfoBytes(listing.value())); !status.ok()) {
    return status;
  }
  v1::GetNetworkResponse response;
  *response.mutable_network() = EncodeNetworkInfo(listing.value());
  return lookup.Send(response);
}

Status AnswerListNetworks(LookupCall& lookup, const v1::ListNetworksRequest&) {
  const std::vector<serving::NetworkListing> listings = lookup.context().registry.List();
  std::int64_t bytes = 0;
  for (const serving::NetworkListing& listing : listings) {
    bytes += NetworkInfoBytes(listing);
  }
  if (Status status = lookup.Reserve(bytes); !status.ok()) {
    return status;
  }
  v1::ListNetworksResponse response;
  for (const serving::NetworkListing& listing : listings) {
    *response.add_networks() = EncodeNetworkInfo(listing);
  }
  return lookup.Send(response);
}

}  // namespace spikeserve::rpc
