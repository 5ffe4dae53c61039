#include "server/rpc/encode/network_info.h"

#include <google/protobuf/util/time_util.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "server/rpc/encode/layer_kind.h"
#include "server/rpc/encode/output_activation.h"
#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {
namespace {

void AddInput(const engine::Network& network, std::int64_t index, v1::NetworkInfo& info) {
  const engine::OperationDefinition& operation =
      network.definition().operations[static_cast<std::size_t>(index)];
  v1::InputInfo& input = *info.add_inputs();
  input.set_name(operation.name);
  for (const std::int64_t dimension : network.shape(index)) {
    input.add_shape(dimension);
  }
  input.add_data_types(v1::DATA_TYPE_FLOAT32);
  input.add_data_types(v1::DATA_TYPE_FLOAT64);
  if (std::get<engine::InputOperation>(operation.kind).uint8_scale) {
    input.add_data_types(v1::DATA_TYPE_UINT8);
  }
}

void AddProbe(const serving::NetworkEntry& entry, std::int64_t index, v1::NetworkInfo& info) {
  const engine::Network& network = *entry.network;
  const engine::ProbeDefinition& definition = network.definition().probes[static_cast<std::size_t>(index)];
  v1::ProbeInfo& probe = *info.add_probes();
  probe.set_name(definition.name);
  probe.set_target(definition.target);
  probe.set_quantity(Encode(definition.quantity));
  for (const std::int64_t dimension : network.shape(network.probe_target(index))) {
    probe.add_shape(dimension);
  }
  if (const serving::OutputActivation* activation = ActivationOf(entry, index)) {
    *probe.mutable_activation() = Encode(*activation);
  }
}

void AddLayer(const engine::Network& network, std::int64_t index, v1::NetworkInfo& info) {
  const engine::OperationDefinition& operation =
      network.definition().operations[static_cast<std::size_t>(index)];
  v1::LayerInfo& layer = *info.add_layers();
  layer.set_name(operation.name);
  layer.set_kind(LayerKind(operation.kind));
  for (const std::int64_t dimension : network.shape(index)) {
    layer.add_shape(dimension);
  }
  if (engine::HasUnits(operation.kind)) {
    layer.set_neurons(network.size(index));
  }
  for (const std::string& id : TensorsOf(operation.kind)) {
    layer.set_parameters(layer.parameters() + engine::ElementCount(network.tensor(id).shape));
  }
}

void SetDefaults(const serving::NetworkEntry& entry, v1::RunDefaults& defaults) {
  const engine::RunDefaults& stored = entry.network->definition().defaults;
  defaults.set_dt(stored.dt);
  defaults.set_steps(stored.steps);
  defaults.mutable_readout()->set_kind(Encode(stored.readout.kind));
  defaults.mutable_readout()->set_skip_steps(stored.readout.skip_steps);
  for (const std::string& label : entry.metadata.class_labels) {
    defaults.add_class_labels(label);
  }
  defaults.set_output_kind(static_cast<v1::OutputKind>(entry.metadata.output_kind));
}

void SetProvenance(const serving::NetworkMetadata& metadata, v1::Provenance& provenance) {
  provenance.set_source_format(metadata.source_format);
  provenance.set_source_sha256(metadata.source_sha256);
  provenance.set_converter_version(metadata.converter_version);
  for (const std::string& note : metadata.notes) {
    provenance.add_notes(note);
  }
  for (const serving::InputRange& range : metadata.input_ranges) {
    v1::InputRange& out = *provenance.add_input_ranges();
    out.set_input(range.input);
    out.set_lowest(range.lowest);
    out.set_highest(range.highest);
    out.set_mean_magnitude(range.mean_magnitude);
  }
}

void SetStructure(const serving::NetworkEntry& entry, v1::NetworkInfo& info) {
  const engine::Network& network = *entry.network;
  info.set_neurons(network.neurons());
  info.set_parameters(network.parameters());
  for (const std::int64_t index : network.inputs()) {
    AddInput(network, index, info);
  }
  const auto probes = static_cast<std::int64_t>(network.definition().probes.size());
  for (std::int64_t index = 0; index < probes; ++index) {
    AddProbe(entry, index, info);
  }
  const auto operations = static_cast<std::int64_t>(network.definition().operations.size());
  for (std::int64_t index = 0; index < operations; ++index) {
    AddLayer(network, index, info);
  }
}

}  // namespace

v1::NetworkInfo EncodeNetworkInfo(const serving::NetworkEntry& entry, serving::NetworkState state) {
  v1::NetworkInfo info;
  info.set_name(entry.name);
  info.set_version(entry.version);
  info.set_state(Encode(state));
  info.set_mode(Encode(entry.mode));
  info.set_backend(entry.backend);
  info.set_resident_bytes(entry.resident_bytes());
  info.set_sha256(entry.sha256);
  if (entry.resident) {
    *info.mutable_loaded_at() = google::protobuf::util::TimeUtil::TimeTToTimestamp(
        std::chrono::system_clock::to_time_t(entry.loaded_at));
  }
  SetStructure(entry, info);
  SetDefaults(entry, *info.mutable_defaults());
  SetProvenance(entry.metadata, *info.mutable_provenance());
  return info;
}

std::int64_t NetworkInfoBytes(const serving::NetworkListing& listing) {
  // Names have up to 128 bytes, shapes a few dimensions.
  constexpr std::int64_t kPerObject = 1024;
  if (!listing.handle) {
    return kPerObject;
  }
  const engine::NetworkDefinition& definition = listing.handle->network->definition();
  const auto objects = static_cast<std::int64_t>(definition.operations.size() + definition.probes.size());
  constexpr std::int64_t kTextGrowth = 2;  // a string, and its slot in a list that grows by doubling
  return kPerObject * (2 + objects) + kTextGrowth * listing.handle->metadata.bytes();
}

v1::NetworkInfo EncodeNetworkInfo(const serving::NetworkListing& listing) {
  if (listing.handle) {
    return EncodeNetworkInfo(*listing.handle, listing.state);
  }
  v1::NetworkInfo info;
  info.set_name(listing.name);
  info.set_version(listing.version);
  info.set_state(Encode(listing.state));
  return info;
}

}  // namespace spikeserve::rpc
