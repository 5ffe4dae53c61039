#include "server/rpc/decode/checked_request.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/rpc/decode/decode_encodings.h"
#include "server/rpc/decode/decode_request_probes.h"
#include "server/rpc/decode/input_ranges.h"
#include "server/rpc/decode/run_settings.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// Room in a response for everything of one sample that is not a tensor: class, margin, tags.
constexpr std::int64_t kBytesPerSample = 64;
constexpr std::int64_t kBytesPerTopK = 32;
constexpr double kBytesPerRecord = 512;     // its name and shape
constexpr double kBytesPerActivation = 64;  // of a probe

const std::vector<engine::ProbeDefinition>& Probes(const engine::Network& network) {
  return network.definition().probes;
}

std::string ProbeNames(const engine::Network& network) {
  constexpr std::size_t kMaxListed = 16;
  std::string names;
  for (std::size_t i = 0; i < std::min(Probes(network).size(), kMaxListed); ++i) {
    names += (i == 0 ? "" : ", ") + Quote(Probes(network)[i].name);
  }
  return names + (Probes(network).size() > kMaxListed ? ", ..." : "");
}

Result<std::int64_t> FindProbe(const std::string& name, int index, const engine::Network& network) {
  for (std::size_t i = 0; i < Probes(network).size(); ++i) {
    if (Probes(network)[i].name == name) {
      return static_cast<std::int64_t>(i);
    }
  }
  return InvalidArgument(Join("probes[", index, "]: got ", Quote(name), ", allowed: ", ProbeNames(network)));
}

Result<std::vector<std::int64_t>> OutputProbes(const engine::Network& network) {
  if (!network.output_probes().empty()) {
    return network.output_probes();
  }
  return InvalidArgument(
      "probes: got none, and the network has no OUTPUT probe to answer by default; name some of: " +
      ProbeNames(network));
}

Result<std::vector<std::int64_t>> DecodeProbes(const v1::SimulateRequest& request,
                                               const engine::Network& network) {
  if (request.probes_size() == 0) {
    return OutputProbes(network);
  }
  if (static_cast<std::size_t>(request.probes_size()) > Probes(network).size()) {
    return InvalidArgument(Join("probes: got ", request.probes_size(), " names, the network has ",
                                Probes(network).size(), " probes"));
  }
  std::vector<std::int64_t> probes;
  for (int i = 0; i < request.probes_size(); ++i) {
    const auto probe = FindProbe(request.probes(i), i, network);
    if (!probe.ok()) {
      return probe.status();
    }
    if (std::find(probes.begin(), probes.end(), probe.value()) != probes.end()) {
      return InvalidArgument(Join("probes[", i, "]: ", Quote(request.probes(i)), " is named twice"));
    }
    probes.push_back(probe.value());
  }
  return probes;
}

// Of the OUTPUT probes to be answered, the first of the definition.
int ClassProbe(const std::vector<std::int64_t>& probes, const engine::Network& network) {
  for (const std::int64_t output : network.output_probes()) {
    const auto found = std::find(probes.begin(), probes.end(), output);
    if (found != probes.end()) {
      return static_cast<int>(found - probes.begin());
    }
  }
  return -1;
}

std::int64_t ProbeSize(const engine::Network& network, std::int64_t probe) {
  return network.size(network.probe_target(probe));
}

// Gives `spec` the request's early exit, if it has one. With one output nothing lies below the largest: the
// first look would end every run.
Status ReadEarlyExit(const v1::SimulateRequest& request, const engine::Network& network, int class_probe,
                     engine::SimulationSpec& spec) {
  if (!request.has_early_exit()) {
    return {};
  }
  if (class_probe >= 0 && ProbeSize(network, spec.probes[static_cast<std::size_t>(class_probe)]) == 1) {
    return InvalidArgument("early_exit: its margin is that between two outputs, the network has one");
  }
  return DecodeEarlyExit(request.early_exit(), class_probe, spec);
}

Status CheckClassification(const v1::SimulateRequest& request, const engine::Network& network,
                           const std::vector<std::int64_t>& probes, int class_probe) {
  if (class_probe < 0) {
    if (request.top_k() == 0 && !request.softmax()) {
      return {};
    }
    return InvalidArgument(
        Join(request.softmax() ? "softmax" : "top_k", ": needs an OUTPUT probe among `probes`"));
  }
  const std::int64_t outputs = ProbeSize(network, probes[static_cast<std::size_t>(class_probe)]);
  if (request.top_k() >= 0 && request.top_k() <= outputs) {
    return {};
  }
  return InvalidArgument(
      Join("top_k: got ", request.top_k(), ", allowed 0..", outputs, ", the outputs of the network"));
}

// Sample numbers are 32 bits of a random number's key.
Status NumberSamples(std::int64_t first, std::vector<engine::SampleInputs>& samples) {
  constexpr std::int64_t kMaxFirst = std::int64_t{1} << 31;
  if (first < 0 || first > kMaxFirst) {
    return InvalidArgument(Join("first_sample: got ", first, ", allowed 0..", kMaxFirst));
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].index = first + static_cast<std::int64_t>(i);
  }
  return {};
}

// Keeps what warnings of the run will need to know of its inputs, which are gone by then.
void LookAtInputs(const v1::SimulateRequest& request, AnswerSpec& answer) {
  answer.input_warnings =
      InputWarnings(request.inputs(), *answer.network->network, answer.network->metadata.input_ranges);
  answer.equal_samples = EqualSamples(request.inputs());
}

// What a session leaves to its messages, or does not have.
Status CheckSessionFields(const v1::SessionOpen& open, const Limits& limits) {
  const v1::SimulateRequest& settings = open.settings();
  if (settings.inputs_size() > 0 || settings.has_steps() || settings.encodings_size() > 0) {
    return InvalidArgument("open.settings: inputs, steps and encodings come with advance, wanted none here");
  }
  if (settings.has_early_exit()) {
    return InvalidArgument("open.settings.early_exit: a session has none");
  }
  if (settings.readout().kind() == v1::READOUT_KIND_CORRECTED_MEAN) {
    return InvalidArgument(
        "open.settings.readout: got READOUT_KIND_CORRECTED_MEAN, allowed in a session: mean, last");
  }
  if (open.batch() < 1) {
    return InvalidArgument(Join("open.batch: got ", open.batch(), ", allowed 1..", limits.max_samples));
  }
  if (open.batch() <= limits.max_samples) {
    return {};
  }
  return ResourceExhausted(
      Join("open.batch: got ", open.batch(), ", allowed 1..", limits.max_samples, " (--max-samples)"));
}

}  // namespace

Status CheckTarget(const v1::SimulateRequest& request) {
  if (!serving::IsValidReference(request.network())) {
    return InvalidArgument("network: got " + Quote(request.network()) + ", allowed " +
                           std::string(serving::kNameRule) +
                           ", and @ALIAS behind it for the version of an alias");
  }
  if (request.version() >= 0) {
    return {};
  }
  return InvalidArgument("version: got " + std::to_string(request.version()) +
                         ", allowed 1 and above, or 0 for the highest that is ready");
}

// In floating point and saturating: flags may allow what overflows integers.
std::int64_t ResponseBytes(const AnswerSpec& answer, std::int64_t steps) {
  const engine::Network& network = *answer.network->network;
  const double element = answer.network->mode == engine::Mode::kReference ? 8 : 4;
  const double per_value = element * (answer.spec->trajectories ? 1 + static_cast<double>(steps) : 1);
  double bytes = kBytesPerSample + kBytesPerTopK * static_cast<double>(answer.classification.top_k);
  for (const std::int64_t probe : answer.spec->probes) {
    bytes += per_value * static_cast<double>(ProbeSize(network, probe));
  }
  double fixed = kBytesPerActivation * static_cast<double>(answer.network->metadata.activations.size());
  for (const std::string& warning : answer.input_warnings) {
    fixed += static_cast<double>(warning.size());
  }
  for (const engine::RequestProbe& probe : answer.spec->request_probes) {
    const std::int64_t rows = probe.recording.Rows(probe.recording.Kept(0, steps));
    bytes += element * static_cast<double>(rows) * static_cast<double>(network.size(probe.operation));
    fixed += kBytesPerRecord;
  }
  if (answer.classification.scores) {
    bytes += element * static_cast<double>(ProbeSize(
                           network, answer.spec->probes[static_cast<std::size_t>(answer.class_probe)]));
  }
  bytes = bytes * static_cast<double>(answer.samples) + fixed;
  return bytes < 9e18 ? static_cast<std::int64_t>(bytes) : std::int64_t{9'000'000'000'000'000'000};
}

Status CheckResponseSize(const AnswerSpec& answer, std::int64_t steps, const Limits& limits) {
  const std::int64_t bytes = ResponseBytes(answer, steps);
  if (bytes <= limits.max_response_bytes) {
    return {};
  }
  return ResourceExhausted(
      Join("the response to ", answer.samples, " samples of ", answer.spec->probes.size(), " probes",
           answer.spec->request_probes.empty()
               ? std::string()
               : Join(" and ", answer.spec->request_probes.size(), " request_probes"),
           answer.spec->trajectories ? Join(" with trajectories of ", steps, " steps") : std::string(),
           " would have ", bytes, " bytes, allowed ", limits.max_response_bytes,
           " (--max-response-mb); ask for fewer samples, steps or probes"));
}

v1::DataType ResponseType(engine::Mode mode) {
  return mode == engine::Mode::kReference ? v1::DATA_TYPE_FLOAT64 : v1::DATA_TYPE_FLOAT32;
}

Result<CheckedRequest> CheckRequest(const v1::SimulateRequest& request, serving::NetworkHandle handle,
                                    const Limits& limits, bool reports) {
  const engine::Network& network = *handle->network;
  auto settings = DecodeSettings(request, network.definition().defaults, limits);
  if (!settings.ok()) {
    return settings.status();
  }
  auto probes = DecodeProbes(request, network);
  if (!probes.ok()) {
    return probes.status();
  }
  auto inputs = DecodeInputs(request.inputs(), network, handle->mode, settings.value().steps, limits);
  if (!inputs.ok()) {
    return inputs.status();
  }
  if (Status status = DecodeEncodings(request.encodings(), network, settings.value(), inputs.value());
      !status.ok()) {
    return status;
  }
  if (Status status = NumberSamples(request.first_sample(), inputs.value().samples); !status.ok()) {
    return status;
  }
  auto request_probes = DecodeRequestProbes(request.request_probes(), network, settings.value().steps);
  if (!request_probes.ok()) {
    return request_probes.status();
  }
  engine::SimulationSpec spec;
  spec.settings = std::move(settings).value();
  spec.inputs = std::move(inputs.value().formats);
  spec.probes = std::move(probes).value();
  spec.trajectories = request.trajectories();
  spec.statistics = request.statistics();
  spec.gross_statistics = request.statistics() && request.gross_statistics();
  spec.request_probes = std::move(request_probes.value().probes);
  spec.in_one = !reports && handle->resident->runs_in_one();
  const int class_probe = ClassProbe(spec.probes, network);
  if (Status status = ReadEarlyExit(request, network, class_probe, spec); !status.ok()) {
    return status;
  }
  if (Status status = CheckClassification(request, network, spec.probes, class_probe); !status.ok()) {
    return status;
  }
  auto checked_spec = engine::CheckedSpec::Create(network, std::move(spec));
  if (!checked_spec.ok()) {
    return checked_spec.status();
  }
  CheckedRequest checked{{std::move(handle), std::move(checked_spec).value()},
                         std::move(inputs.value().samples)};
  AnswerSpec& answer = checked.answer;
  answer.samples = static_cast<std::int64_t>(checked.samples.size());
  answer.class_probe = class_probe;
  answer.record_names = std::move(request_probes.value().names);
  answer.classification = {request.top_k(), request.softmax()};
  LookAtInputs(request, answer);
  answer.response_bytes = ResponseBytes(answer, answer.spec->settings.steps);
  if (Status status = CheckResponseSize(answer, answer.spec->settings.steps, limits); !status.ok()) {
    return status;
  }
  return checked;
}

Result<AnswerSpec> CheckSession(const v1::SessionOpen& open, serving::NetworkHandle handle,
                                const Limits& limits) {
  constexpr std::int64_t kEndless = std::int64_t{1} << 50;
  if (Status status = CheckSessionFields(open, limits); !status.ok()) {
    return status;
  }
  const engine::Network& network = *handle->network;
  v1::SimulateRequest request = open.settings();
  request.set_steps(limits.max_steps);  // what skip_steps is checked against
  auto settings = DecodeSettings(request, network.definition().defaults, limits);
  if (!settings.ok()) {
    return settings.status();
  }
  auto probes = DecodeProbes(request, network);
  if (!probes.ok()) {
    return probes.status();
  }
  auto request_probes = DecodeRequestProbes(request.request_probes(), network, 0);
  if (!request_probes.ok()) {
    return request_probes.status();
  }
  std::vector<engine::SampleInputs> first(1);
  if (Status status = NumberSamples(request.first_sample(), first); !status.ok()) {
    return status;
  }
  const int class_probe = ClassProbe(probes.value(), network);
  if (Status status = CheckClassification(request, network, probes.value(), class_probe); !status.ok()) {
    return status;
  }
  engine::SimulationSpec spec;
  spec.settings = std::move(settings).value();
  spec.settings.steps = kEndless;
  if (spec.settings.readout.kind == engine::ReadoutKind::kCorrectedMean) {
    spec.settings.readout.kind = engine::ReadoutKind::kMean;
  }
  spec.inputs.resize(network.inputs().size());
  spec.probes = std::move(probes).value();
  spec.trajectories = request.trajectories();
  spec.statistics = request.statistics();
  spec.gross_statistics = request.statistics() && request.gross_statistics();
  spec.request_probes = std::move(request_probes.value().probes);
  spec.session = true;
  auto checked = engine::CheckedSpec::Create(network, std::move(spec));
  if (!checked.ok()) {
    return checked.status();
  }
  AnswerSpec answer(std::move(handle), std::move(checked).value());
  answer.samples = open.batch();
  answer.first_sample = request.first_sample();
  answer.class_probe = class_probe;
  answer.record_names = std::move(request_probes.value().names);
  answer.classification = {request.top_k(), request.softmax()};
  return answer;
}

}  // namespace spikeserve::rpc
