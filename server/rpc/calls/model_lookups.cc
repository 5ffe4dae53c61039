#include "server/rpc/calls/model_lookups.h"

#include <cstdint>
#include <string>
#include <vector>

#include "server/rpc/decode/infer_request.h"
#include "server/rpc/encode/model_metadata.h"
#include "server/serving/names.h"
#include "server/serving/networks/aliases.h"

namespace spikeserve::rpc {
namespace {

// The network that a message with name and version is about.
template <typename Message>
Result<serving::NetworkHandle> FindModel(LookupCall& lookup, const Message& message) {
  if (Status status = CheckModelName("name", message.name()); !status.ok()) {
    return status;
  }
  lookup.record().network = serving::NetworkOf(message.name());
  const auto version = DecodeVersion("version", message.version());
  if (!version.ok()) {
    return version.status();
  }
  auto handle = lookup.context().aliases.Find(message.name(), version.value(),
                                              [&lookup](const std::string& name, std::int64_t number) {
                                                return lookup.context().registry.Show(name, number);
                                              });
  if (handle.ok()) {
    lookup.record().version = handle.value()->version;
  }
  return handle;
}

// Whether a request for it is answered. One that is being loaded from where it is stored has an outline.
bool IsReady(const serving::NetworkListing& listing) {
  return listing.handle && listing.state != serving::NetworkState::kUnloading;
}

std::vector<serving::NetworkHandle> ReadyNetworks(const LookupCall& lookup) {
  std::vector<serving::NetworkHandle> networks;
  for (const serving::NetworkListing& listing : lookup.context().registry.List()) {
    if (IsReady(listing)) {
      networks.push_back(listing.handle);
    }
  }
  return networks;
}

void SetState(const serving::NetworkListing& listing, inference::RepositoryIndexResponse::ModelIndex& model) {
  if (!IsReady(listing)) {
    return model.set_state(listing.state == serving::NetworkState::kUnloading ? "UNLOADING" : "LOADING");
  }
  model.set_state("READY");
  if (listing.state != serving::NetworkState::kReady) {
    model.set_reason("stored; the next request for it loads it");
  }
}

// The same, with the memory for what there is to tell of it. Not held while room is made, as it may have to
// go for it.
template <typename Message>
Result<serving::NetworkHandle> ReserveModel(LookupCall& lookup, const Message& message) {
  std::int64_t bytes = 0;
  {
    const auto handle = FindModel(lookup, message);
    if (!handle.ok()) {
      return handle.status();
    }
    bytes = ModelMetadataBytes(*handle.value());
  }
  if (Status status = lookup.Reserve(bytes); !status.ok()) {
    return status;
  }
  return FindModel(lookup, message);
}

// All that are ready, or those of one name or version.
Result<std::vector<serving::NetworkHandle>> FindModels(LookupCall& lookup,
                                                       const inference::ModelStatisticsRequest& message) {
  if (message.name().empty() && !message.version().empty()) {
    return InvalidArgument("version: got one without a name, wanted both or none");
  }
  if (message.name().empty()) {
    return ReadyNetworks(lookup);
  }
  const auto one = FindModel(lookup, message);
  if (!one.ok()) {
    return one.status();
  }
  if (!message.version().empty() || serving::NetworkOf(message.name()) != message.name()) {
    return std::vector{one.value()};
  }
  std::vector<serving::NetworkHandle> versions = ReadyNetworks(lookup);
  std::erase_if(versions,
                [&](const serving::NetworkHandle& other) { return other->name != one.value()->name; });
  return versions;
}

}  // namespace

Status AnswerServerLive(LookupCall& lookup, const inference::ServerLiveRequest&) {
  inference::ServerLiveResponse response;
  response.set_live(true);
  return lookup.Send(response);
}

Status AnswerServerReady(LookupCall& lookup, const inference::ServerReadyRequest&) {
  inference::ServerReadyResponse response;
  response.set_ready(lookup.context().ready());
  return lookup.Send(response);
}

Status AnswerModelReady(LookupCall& lookup, const inference::ModelReadyRequest& message) {
  const auto handle = FindModel(lookup, message);
  if (handle.status().code() == StatusCode::kInvalidArgument) {
    return handle.status();
  }
  inference::ModelReadyResponse response;
  response.set_ready(handle.ok());
  return lookup.Send(response);
}

Status AnswerServerMetadata(LookupCall& lookup, const inference::ServerMetadataRequest&) {
  inference::ServerMetadataResponse response;
  response.set_name("spikeserve");
  response.set_version(lookup.context().version);
  for (const char* extension :
       {"classification", "model_repository", "schedule_policy", "model_configuration", "parameters",
        "statistics", "binary_tensor_data", "spikeserve_simulation"}) {
    response.add_extensions(extension);
  }
  return lookup.Send(response);
}

Status AnswerModelMetadata(LookupCall& lookup, const inference::ModelMetadataRequest& message) {
  const auto handle = ReserveModel(lookup, message);
  if (!handle.ok()) {
    return handle.status();
  }
  std::vector<std::int64_t> versions;
  for (const serving::NetworkHandle& other : ReadyNetworks(lookup)) {
    if (other->name == handle.value()->name) {
      versions.push_back(other->version);
    }
  }
  return lookup.Send(EncodeModelMetadata(*handle.value(), versions));
}

Status AnswerModelConfig(LookupCall& lookup, const inference::ModelConfigRequest& message) {
  const auto handle = ReserveModel(lookup, message);
  if (!handle.ok()) {
    return handle.status();
  }
  inference::ModelConfigResponse response;
  *response.mutable_config() =
      EncodeModelConfig(*handle.value(), lookup.context().limits, lookup.context().batcher.options());
  return lookup.Send(response);
}

Status AnswerModelStatistics(LookupCall& lookup, const inference::ModelStatisticsRequest& message) {
  std::int64_t count = 0;
  {
    const auto networks = FindModels(lookup, message);
    if (!networks.ok()) {
      return networks.status();
    }
    count = static_cast<std::int64_t>(networks.value().size());
  }
  if (Status status = lookup.Reserve(count * ModelStatisticsBytes()); !status.ok()) {
    return status;
  }
  const auto networks = FindModels(lookup, message);
  if (!networks.ok()) {
    return networks.status();
  }
  inference::ModelStatisticsResponse response;
  for (const serving::NetworkHandle& network : networks.value()) {
    *response.add_model_stats() = EncodeModelStatistics(*network);
  }
  return lookup.Send(response);
}

Status AnswerRepositoryIndex(LookupCall& lookup, const inference::RepositoryIndexRequest& message) {
  constexpr std::int64_t kPerEntry = 512;
  const auto count = static_cast<std::int64_t>(lookup.context().registry.List().size());
  if (Status status = lookup.Reserve(kPerEntry * count); !status.ok()) {
    return status;
  }
  const auto listings = lookup.context().registry.List();
  inference::RepositoryIndexResponse response;
  for (const serving::NetworkListing& listing : listings) {
    if (message.ready() && !IsReady(listing)) {
      continue;
    }
    inference::RepositoryIndexResponse::ModelIndex& model = *response.add_models();
    model.set_name(listing.name);
    model.set_version(std::to_string(listing.version));
    SetState(listing, model);
  }
  return lookup.Send(response);
}

Status RefuseSharedMemory(LookupCall&, const grpc::ByteBuffer&) {
  return {StatusCode::kUnimplemented,
          "this server shares no memory with clients: tensors travel in messages, as raw_input_contents and "
          "raw_output_contents"};
}

Status RefuseSettings(LookupCall&, const grpc::ByteBuffer&) {
  return {StatusCode::kUnimplemented,
          "what is logged or traced is not changed over the network: it is set by flags when the server "
          "starts (--log-format)"};
}

}  // namespace spikeserve::rpc
