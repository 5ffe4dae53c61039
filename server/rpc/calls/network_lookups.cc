#include "server/rpc/calls/network_lookups.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/decode/upload_header.h"
#include "server/rpc/encode/network_info.h"
#include "server/serving/names.h"
#include "server/serving/networks/aliases.h"

namespace spikeserve::rpc {

namespace {

v1::NetworkInfo InfoOf(const LookupCall& lookup, const serving::NetworkListing& listing) {
  v1::NetworkInfo info = EncodeNetworkInfo(listing);
  for (std::string& alias : lookup.context().aliases.Of(listing.name, listing.version)) {
    info.add_aliases(std::move(alias));
  }
  return info;
}

}  // namespace

Status AnswerGetNetwork(LookupCall& lookup, const v1::GetNetworkRequest& message) {
  lookup.record().network = serving::NetworkOf(message.name());
  if (Status status = CheckNetworkReference(message.name(), message.version()); !status.ok()) {
    return status;
  }
  const auto find = [&] {
    return lookup.context().aliases.Find(message.name(), message.version(),
                                         [&lookup](const std::string& name, std::int64_t version) {
                                           return lookup.context().registry.Find(name, version);
                                         });
  };
  // Not held while room is made, as it may have to go for it.
  std::int64_t bytes = 0;
  if (const auto found = find(); found.ok()) {
    bytes = NetworkInfoBytes(found.value());
  } else {
    return found.status();
  }
  if (Status status = lookup.Reserve(bytes); !status.ok()) {
    return status;
  }
  const auto listing = find();
  if (!listing.ok()) {
    return listing.status();
  }
  lookup.record().version = listing.value().version;
  v1::GetNetworkResponse response;
  *response.mutable_network() = InfoOf(lookup, listing.value());
  return lookup.Send(response);
}

Status AnswerListNetworks(LookupCall& lookup, const v1::ListNetworksRequest&) {
  std::int64_t bytes = 0;
  for (const serving::NetworkListing& listing : lookup.context().registry.List()) {
    bytes += NetworkInfoBytes(listing);
  }
  if (Status status = lookup.Reserve(bytes); !status.ok()) {
    return status;
  }
  v1::ListNetworksResponse response;
  for (const serving::NetworkListing& listing : lookup.context().registry.List()) {
    *response.add_networks() = InfoOf(lookup, listing);
  }
  return lookup.Send(response);
}

}  // namespace spikeserve::rpc
