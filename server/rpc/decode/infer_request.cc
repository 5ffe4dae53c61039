#include "server/rpc/decode/infer_request.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/rpc/decode/infer_tensors.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;
using RequestedOutput = inference::ModelInferRequest::InferRequestedOutputTensor;

bool IsProbe(const std::string& name, const engine::Network& network) {
  const auto& probes = network.definition().probes;
  return std::any_of(probes.begin(), probes.end(),
                     [&](const engine::ProbeDefinition& probe) { return probe.name == name; });
}

std::string OutputNames(const engine::Network& network) {
  constexpr std::size_t kMaxListed = 16;
  const auto& probes = network.definition().probes;
  std::string names;
  for (std::size_t i = 0; i < std::min(probes.size(), kMaxListed); ++i) {
    names += Quote(probes[i].name) + ", ";
  }
  names += probes.size() > kMaxListed ? "..., " : "";
  if (HasClasses(network)) {
    names += Join(Quote(kClassesOutput), ", ", Quote(kMarginsOutput), ", ");
  }
  return names + Quote(kStepsUsedOutput);
}

Result<InferSource> FindSource(const std::string& where, const std::string& name,
                               const engine::Network& network) {
  if (IsProbe(name, network)) {
    return InferSource::kProbe;
  }
  if (name == kStepsUsedOutput) {
    return InferSource::kStepsUsed;
  }
  if (HasClasses(network) && (name == kClassesOutput || name == kMarginsOutput)) {
    return name == kClassesOutput ? InferSource::kClasses : InferSource::kMargins;
  }
  return InvalidArgument(where + ".name: got " + Quote(name) + ", allowed: " + OutputNames(network));
}

Result<InferOutput> DecodeOutput(const RequestedOutput& requested, int index,
                                 const engine::Network& network) {
  const std::string where = Join("outputs[", index, "]");
  const auto source = FindSource(where, requested.name(), network);
  if (!source.ok()) {
    return source.status();
  }
  const auto best = DecodeOutputParameters(where, requested.parameters());
  if (!best.ok()) {
    return best.status();
  }
  if (best.value() > 0 && source.value() != InferSource::kProbe) {
    return InvalidArgument(where + ": parameters[\"classification\"]: only of a probe, got " +
                           Quote(requested.name()));
  }
  return InferOutput{requested.name(), source.value(), best.value()};
}

bool IsClass(const InferOutput& output) {
  return output.source == InferSource::kClasses || output.source == InferSource::kMargins;
}

// The probes to run: those that are asked for, and one that classes come from.
void AddProbes(const std::vector<InferOutput>& outputs, const engine::Network& network,
               v1::SimulateRequest& request) {
  for (const InferOutput& output : outputs) {
    if (output.source == InferSource::kProbe) {
      request.add_probes(output.name);
    }
  }
  if (request.probes_size() == 0 && !outputs.empty() && !HasClasses(network)) {
    request.add_probes(network.definition().probes.front().name);  // a run needs one
  }
  if (request.probes_size() == 0 || std::none_of(outputs.begin(), outputs.end(), IsClass)) {
    return;
  }
  const auto& probes = network.definition().probes;
  const std::string& first = probes[static_cast<std::size_t>(network.output_probes().front())].name;
  if (std::find(request.probes().begin(), request.probes().end(), first) == request.probes().end()) {
    request.add_probes(first);
  }
}

Result<std::vector<InferOutput>> DecodeOutputs(const inference::ModelInferRequest& message,
                                               const engine::Network& network) {
  const std::size_t allowed = network.definition().probes.size() + 3;
  if (static_cast<std::size_t>(message.outputs_size()) > allowed) {
    return InvalidArgument(Join("outputs: got ", message.outputs_size(), ", the network has ", allowed));
  }
  std::vector<InferOutput> outputs;
  for (int i = 0; i < message.outputs_size(); ++i) {
    auto output = DecodeOutput(message.outputs(i), i, network);
    if (!output.ok()) {
      return output.status();
    }
    const auto same = [&](const InferOutput& other) { return other.name == output.value().name; };
    if (std::any_of(outputs.begin(), outputs.end(), same)) {
      return InvalidArgument(Join("outputs[", i, "]: ", Quote(message.outputs(i).name()), " is named twice"));
    }
    outputs.push_back(std::move(output).value());
  }
  return outputs;
}

// Number, colons, length and class; a label comes on top.
constexpr std::int64_t kClassTextBytes = 64;

std::int64_t TextBytes(const std::vector<InferOutput>& outputs, const serving::NetworkEntry& entry) {
  std::int64_t per_class = kClassTextBytes;
  for (const std::string& label : entry.metadata.class_labels) {
    per_class = std::max(per_class, kClassTextBytes + static_cast<std::int64_t>(label.size()));
  }
  const engine::Network& network = *entry.network;
  std::int64_t bytes = 0;
  for (const InferOutput& output : outputs) {
    for (std::size_t probe = 0; output.best_classes > 0 && probe < network.definition().probes.size();
         ++probe) {
      if (network.definition().probes[probe].name == output.name) {
        const std::int64_t size = network.size(network.probe_target(static_cast<std::int64_t>(probe)));
        bytes += per_class * std::min(output.best_classes, size);
      }
    }
  }
  return bytes;
}

}  // namespace

Result<std::int64_t> DecodeVersion(const std::string& field, const std::string& version) {
  if (version.empty()) {
    return std::int64_t{0};
  }
  std::int64_t number = 0;
  const char* const end = version.data() + version.size();
  const auto [stop, error] = std::from_chars(version.data(), end, number);
  if (error == std::errc() && stop == end && number >= 1 && number <= serving::kMaxVersion) {
    return number;
  }
  return InvalidArgument(Join(field, ": got ", Quote(version), ", allowed a decimal number from 1 to ",
                              serving::kMaxVersion, ", or nothing for the highest that is ready"));
}

Status CheckModelName(const std::string& field, const std::string& name) {
  if (serving::IsValidReference(name)) {
    return {};
  }
  return InvalidArgument(field + ": got " + Quote(name) + ", allowed " + std::string(serving::kNameRule));
}

bool HasClasses(const engine::Network& network) { return !network.output_probes().empty(); }

Result<DecodedInfer> DecodeInfer(inference::ModelInferRequest& message, const serving::NetworkEntry& entry) {
  const engine::Network& network = *entry.network;
  DecodedInfer decoded;
  decoded.request.set_network(entry.name);
  decoded.request.set_version(entry.version);
  if (Status status = DecodeInferInputs(message, network, decoded.request); !status.ok()) {
    return status;
  }
  auto options = DecodeInferParameters(message.parameters(), decoded.request);
  if (!options.ok()) {
    return options.status();
  }
  auto outputs = DecodeOutputs(message, network);
  if (!outputs.ok()) {
    return outputs.status();
  }
  if (outputs.value().empty() && !HasClasses(network)) {
    return InvalidArgument(
        "outputs: got none, and the network has no OUTPUT probe to answer by default; allowed: " +
        OutputNames(network));
  }
  AddProbes(outputs.value(), network, decoded.request);
  const std::int64_t text_bytes = TextBytes(outputs.value(), entry);
  decoded.answer = {std::move(*message.mutable_id()), std::move(outputs).value(), options.value(),
                    text_bytes};
  return decoded;
}

}  // namespace spikeserve::rpc
