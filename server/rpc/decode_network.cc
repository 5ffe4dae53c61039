#include "server/rpc/decode_network.h"

#include <array>
#include <string>
#include <utility>

#include "server/rpc/decode_operation.h"
#include "server/rpc/enums.h"
#include "server/rpc/wire.h"
#include "server/serving/names.h"
#include "server/serving/sha256.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {
namespace {

constexpr std::array<int, 2> kTensorData{v1::NetworkDefinition::kTensorsFieldNumber,
                                         v1::Tensor::kDataFieldNumber};

engine::TensorDefinition DecodeTensor(v1::Tensor& tensor, Problems& problems) {
  if (!tensor.sha256().empty() && tensor.sha256() != serving::Sha256(tensor.data())) {
    problems.push_back("tensor " + serving::Quote(tensor.id()) + ": sha256 is not that of data");
  }
  engine::TensorDefinition decoded;
  decoded.id = tensor.id();
  decoded.shape.assign(tensor.shape().begin(), tensor.shape().end());
  decoded.type = Decode(tensor.data_type());
  decoded.data = std::move(*tensor.mutable_data());  // weights are held once
  return decoded;
}

engine::ConnectionDefinition DecodeConnection(const v1::Connection& connection, Problems& problems) {
  engine::ConnectionDefinition decoded{
      connection.source(), connection.target(), {}, connection.delay_steps()};
  if (connection.has_synapse()) {
    const std::string where =
        "connection " + serving::Quote(connection.source()) + " to " + serving::Quote(connection.target());
    decoded.synapse = DecodeSynapse(connection.synapse(), where, problems);
  }
  return decoded;
}

engine::ProbeDefinition DecodeProbe(const v1::Probe& probe, Problems& problems) {
  engine::ProbeDefinition decoded{
      probe.name(), probe.target(), Decode(probe.quantity()), {}, probe.delay_steps()};
  if (probe.has_synapse()) {
    decoded.synapse = DecodeSynapse(probe.synapse(), "probe " + serving::Quote(probe.name()), problems);
  }
  return decoded;
}

engine::RunDefaults DecodeDefaults(const v1::RunDefaults& defaults, Problems& problems) {
  engine::RunDefaults decoded;
  decoded.dt = defaults.dt();
  decoded.steps = defaults.steps();
  if (!defaults.has_readout()) return decoded;
  decoded.readout = {Decode(defaults.readout().kind()), defaults.readout().skip_steps()};
  if (decoded.readout.kind == engine::ReadoutKind::kUnspecified) {
    problems.push_back("defaults: readout.kind is " + std::to_string(defaults.readout().kind()) +
                       ", allowed: READOUT_KIND_MEAN, READOUT_KIND_LAST");
  }
  return decoded;
}

serving::NetworkMetadata DecodeMetadata(const v1::NetworkDefinition& message) {
  const v1::Provenance& provenance = message.provenance();
  const auto& labels = message.defaults().class_labels();
  return {{labels.begin(), labels.end()},
          provenance.source_format(),
          provenance.source_sha256(),
          provenance.converter_version(),
          {provenance.notes().begin(), provenance.notes().end()}};
}

serving::ParsedNetwork Decode(v1::NetworkDefinition& message) {
  serving::ParsedNetwork parsed;
  engine::NetworkDefinition& definition = parsed.definition;
  Problems& problems = parsed.violations;
  definition.format_version = message.format_version();
  for (v1::Operation& operation : *message.mutable_operations()) {
    definition.operations.push_back(DecodeOperation(operation, problems));
  }
  for (const v1::Connection& connection : message.connections()) {
    definition.connections.push_back(DecodeConnection(connection, problems));
  }
  for (const v1::Probe& probe : message.probes()) {
    definition.probes.push_back(DecodeProbe(probe, problems));
  }
  for (v1::Tensor& tensor : *message.mutable_tensors()) {
    definition.tensors.push_back(DecodeTensor(tensor, problems));
  }
  definition.defaults = DecodeDefaults(message.defaults(), problems);
  parsed.metadata = DecodeMetadata(message);
  return parsed;
}

}  // namespace

Result<serving::ParsedNetwork> DecodeNetwork(std::string_view bytes, std::int64_t max_structure_bytes) {
  if (Status status = CheckStructure(bytes, kTensorData, max_structure_bytes); !status.ok()) return status;
  v1::NetworkDefinition message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("the uploaded bytes are not a valid spikeserve.v1.NetworkDefinition message");
  }
  return Decode(message);
}

}  // namespace spikeserve::rpc
