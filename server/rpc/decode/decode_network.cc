#include "server/rpc/decode/decode_network.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "server/base/quote.h"
#include "server/rpc/decode/decode_operation.h"
#include "server/rpc/wire/enums.h"
#include "server/rpc/wire/parsed_size.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/sha256.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {
namespace {

// The small parts as parsed, as decoded, and what is said about them.
constexpr std::int64_t kStructureCopies = 3;

constexpr std::array<int, 2> kTensorData{v1::NetworkDefinition::kTensorsFieldNumber,
                                         v1::Tensor::kDataFieldNumber};

engine::TensorDefinition DecodeTensor(v1::Tensor& tensor, Problems& problems) {
  if (!tensor.sha256().empty() && tensor.sha256() != serving::Sha256(tensor.data())) {
    problems.push_back("tensor " + Quote(tensor.id()) + ": sha256 is not that of data");
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
        "connection " + Quote(connection.source()) + " to " + Quote(connection.target());
    decoded.synapse = DecodeSynapse(connection.synapse(), where, problems);
  }
  return decoded;
}

engine::ProbeDefinition DecodeProbe(const v1::Probe& probe, Problems& problems) {
  engine::ProbeDefinition decoded{
      probe.name(), probe.target(), Decode(probe.quantity()), {}, probe.delay_steps()};
  if (probe.has_synapse()) {
    decoded.synapse = DecodeSynapse(probe.synapse(), "probe " + Quote(probe.name()), problems);
  }
  return decoded;
}

engine::RunDefaults DecodeDefaults(const v1::RunDefaults& defaults, Problems& problems) {
  engine::RunDefaults decoded;
  decoded.dt = defaults.dt();
  decoded.steps = defaults.steps();
  if (!defaults.has_readout()) {
    return decoded;
  }
  decoded.readout = {Decode(defaults.readout().kind()), defaults.readout().skip_steps()};
  if (decoded.readout.kind == engine::ReadoutKind::kUnspecified) {
    problems.push_back("defaults: readout.kind is " + std::to_string(defaults.readout().kind()) +
                       ", allowed: READOUT_KIND_MEAN, READOUT_KIND_LAST, READOUT_KIND_CORRECTED_MEAN");
  }
  return decoded;
}

serving::OutputActivation DecodeActivation(const v1::Probe& probe, Problems& problems) {
  const v1::OutputActivation& message = probe.activation();
  serving::OutputActivation decoded{message.function(), message.alpha(), std::nullopt, message.threshold()};
  if (message.has_max_value()) {
    decoded.max_value = message.max_value();
  }
  const std::array<std::pair<const char*, double>, 3> numbers{{{"alpha", decoded.alpha},
                                                               {"max_value", decoded.max_value.value_or(0)},
                                                               {"threshold", decoded.threshold}}};
  for (const auto& [name, value] : numbers) {
    if (!std::isfinite(value)) {
      problems.push_back("probe " + Quote(probe.name()) + ": activation." + name + " is " +
                         std::to_string(value) + ", wanted a finite number");
    }
  }
  return decoded;
}

serving::NetworkMetadata DecodeMetadata(const v1::NetworkDefinition& message, Problems& problems) {
  const v1::Provenance& provenance = message.provenance();
  const auto& labels = message.defaults().class_labels();
  serving::NetworkMetadata metadata{{labels.begin(), labels.end()},
                                    provenance.source_format(),
                                    provenance.source_sha256(),
                                    provenance.converter_version(),
                                    {provenance.notes().begin(), provenance.notes().end()},
                                    message.defaults().output_kind(),
                                    {},
                                    {}};
  for (int probe = 0; probe < message.probes_size(); ++probe) {
    if (message.probes(probe).has_activation()) {
      metadata.activations.resize(static_cast<std::size_t>(probe) + 1);
      metadata.activations.back() = DecodeActivation(message.probes(probe), problems);
    }
  }
  for (const v1::InputRange& range : provenance.input_ranges()) {
    metadata.input_ranges.push_back({range.input(), range.lowest(), range.highest(), range.mean_magnitude()});
  }
  return metadata;
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
  parsed.metadata = DecodeMetadata(message, problems);
  return parsed;
}

Status CheckCount(const std::string& what, std::int64_t got, std::int64_t allowed, const std::string& rule) {
  if (got <= allowed) {
    return {};
  }
  return ResourceExhausted(what + ": got " + std::to_string(got) + ", allowed " + std::to_string(allowed) +
                           rule);
}

// A list of a definition, the largest length of it that is allowed, and by which flag.
struct ListRule {
  const char* name;
  std::array<int, 1> field;
  std::int64_t allowed;
  const char* flag;
};

// The lists of a definition, counted before any of it is parsed.
Status CheckCounts(std::string_view bytes, const engine::NetworkLimits& limits) {
  using Definition = v1::NetworkDefinition;
  const std::array<ListRule, 4> rules{
      {{"operations", {Definition::kOperationsFieldNumber}, limits.max_operations, " (--max-operations)"},
       {"connections", {Definition::kConnectionsFieldNumber}, limits.max_connections, " (--max-connections)"},
       {"probes", {Definition::kProbesFieldNumber}, limits.max_probes, " (--max-probes)"},
       {"tensors",
        {Definition::kTensorsFieldNumber},
        engine::kMaxTensorsPerOperation * limits.max_operations,
        " (8 for each of --max-operations)"}}};
  for (const ListRule& rule : rules) {
    const auto totals = TotalOf(bytes, rule.field);
    if (!totals.ok()) {
      return totals.status();
    }
    if (Status status = CheckCount(rule.name, totals.value().count, rule.allowed, rule.flag); !status.ok()) {
      return status;
    }
  }
  return {};
}

// The texts that travel with a network and are kept and shown as long as it is resident.
Status CheckTexts(std::string_view bytes) {
  constexpr std::array<int, 1> kProvenance{v1::NetworkDefinition::kProvenanceFieldNumber};
  constexpr std::array<int, 2> kNotes{kProvenance[0], v1::Provenance::kNotesFieldNumber};
  constexpr std::array<int, 2> kRanges{kProvenance[0], v1::Provenance::kInputRangesFieldNumber};
  constexpr std::array<int, 2> kLabels{v1::NetworkDefinition::kDefaultsFieldNumber,
                                       v1::RunDefaults::kClassLabelsFieldNumber};
  const auto provenance = TotalOf(bytes, kProvenance);
  const auto notes = TotalOf(bytes, kNotes);
  const auto ranges = TotalOf(bytes, kRanges);
  const auto labels = TotalOf(bytes, kLabels);
  for (const auto* totals : {&provenance, &notes, &ranges, &labels}) {
    if (!totals->ok()) {
      return totals->status();
    }
  }
  Status status = CheckCount("provenance.notes", notes.value().count, kMaxNotes, "");
  if (status.ok()) {
    status = CheckCount("provenance.input_ranges", ranges.value().count, kMaxInputRanges, "");
  }
  if (status.ok()) {
    status = CheckCount("defaults.class_labels", labels.value().count, kMaxClassLabels, "");
  }
  if (!status.ok()) {
    return status;
  }
  return CheckCount("provenance and defaults.class_labels: bytes",
                    provenance.value().bytes + labels.value().bytes, kMaxTextBytes, "");
}

}  // namespace

Result<serving::ParsedNetwork> DecodeNetwork(std::string_view bytes, const Limits& limits,
                                             serving::MemoryBudget& budget) {
  if (Status status = CheckStructure(bytes, kTensorData, limits.max_structure_bytes); !status.ok()) {
    return status;
  }
  if (Status status = CheckCounts(bytes, limits.network); !status.ok()) {
    return status;
  }
  if (Status status = CheckTexts(bytes); !status.ok()) {
    return status;
  }
  const auto parsed_bytes = ParsedBytes(bytes, *v1::NetworkDefinition::descriptor());
  if (!parsed_bytes.ok()) {
    return parsed_bytes.status();
  }
  const std::int64_t growth =
      std::max<std::int64_t>(parsed_bytes.value() - static_cast<std::int64_t>(bytes.size()), 0);
  auto reservation = budget.Reserve(kStructureCopies * growth, "the definition");
  if (!reservation.ok()) {
    return reservation.status();
  }
  v1::NetworkDefinition message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return InvalidArgument("the uploaded bytes are not a valid spikeserve.v1.NetworkDefinition message");
  }
  serving::ParsedNetwork parsed = Decode(message);
  parsed.reservation = std::move(reservation).value();
  return parsed;
}

}  // namespace spikeserve::rpc
