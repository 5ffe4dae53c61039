#include "server/rpc/simulate_plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/engine/violations.h"
#include "server/rpc/run_settings.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// Room in a response for everything of one sample that is not a tensor: class, margin, tags.
constexpr std::int64_t kBytesPerSample = 64;
constexpr std::int64_t kBytesPerTopK = 32;

const std::vector<engine::ProbeDefinition>& Probes(const engine::Network& network) {
  return network.definition().probes;
}

std::string ProbeNames(const engine::Network& network) {
  constexpr std::size_t kMaxListed = 16;
  std::string names;
  for (std::size_t i = 0; i < std::min(Probes(network).size(), kMaxListed); ++i) {
    names += (i == 0 ? "" : ", ") + serving::Quote(Probes(network)[i].name);
  }
  return names + (Probes(network).size() > kMaxListed ? ", ..." : "");
}

Result<std::int64_t> FindProbe(const std::string& name, int index, const engine::Network& network) {
  for (std::size_t i = 0; i < Probes(network).size(); ++i) {
    if (Probes(network)[i].name == name) return static_cast<std::int64_t>(i);
  }
  return InvalidArgument(
      Join("probes[", index, "]: got ", serving::Quote(name), ", allowed: ", ProbeNames(network)));
}

Result<std::vector<std::int64_t>> OutputProbes(const engine::Network& network) {
  std::vector<std::int64_t> probes;
  for (std::size_t i = 0; i < Probes(network).size(); ++i) {
    if (Probes(network)[i].quantity == engine::ProbeQuantity::kOutput)
      probes.push_back(static_cast<std::int64_t>(i));
  }
  if (!probes.empty()) return probes;
  return InvalidArgument(
      "probes: got none, and the network has no OUTPUT probe to answer by default; name some of: " +
      ProbeNames(network));
}

Result<std::vector<std::int64_t>> DecodeProbes(const v1::SimulateRequest& request,
                                               const engine::Network& network) {
  if (request.probes_size() == 0) return OutputProbes(network);
  if (static_cast<std::size_t>(request.probes_size()) > Probes(network).size()) {
    return InvalidArgument(Join("probes: got ", request.probes_size(), " names, the network has ",
                                Probes(network).size(), " probes"));
  }
  std::vector<std::int64_t> probes;
  for (int i = 0; i < request.probes_size(); ++i) {
    const auto probe = FindProbe(request.probes(i), i, network);
    if (!probe.ok()) return probe.status();
    if (std::find(probes.begin(), probes.end(), probe.value()) != probes.end()) {
      return InvalidArgument(Join("probes[", i, "]: ", serving::Quote(request.probes(i)), " is named twice"));
    }
    probes.push_back(probe.value());
  }
  return probes;
}

// Of the OUTPUT probes to be answered, the first of the definition.
int ClassProbe(const std::vector<std::int64_t>& probes, const engine::Network& network) {
  int best = -1;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const auto& definition = Probes(network)[static_cast<std::size_t>(probes[i])];
    if (definition.quantity != engine::ProbeQuantity::kOutput) continue;
    if (best < 0 || probes[i] < probes[static_cast<std::size_t>(best)]) best = static_cast<int>(i);
  }
  return best;
}

std::int64_t ProbeSize(const engine::Network& network, std::int64_t probe) {
  return network.size(network.probe_target(probe));
}

Status CheckClassification(const v1::SimulateRequest& request, const ResponsePlan& plan) {
  if (plan.class_probe < 0) {
    if (request.top_k() == 0 && !request.softmax()) return {};
    return InvalidArgument(
        Join(request.softmax() ? "softmax" : "top_k", ": needs an OUTPUT probe among `probes`"));
  }
  const std::int64_t outputs =
      ProbeSize(*plan.network->network, plan.spec.probes[static_cast<std::size_t>(plan.class_probe)]);
  if (request.top_k() >= 0 && request.top_k() <= outputs) return {};
  return InvalidArgument(
      Join("top_k: got ", request.top_k(), ", allowed 0..", outputs, ", the outputs of the network"));
}

// In floating point and saturating: flags may allow what overflows integers.
std::int64_t ResponseBytes(const ResponsePlan& plan) {
  const engine::Network& network = *plan.network->network;
  const double element = plan.network->mode == engine::Mode::kReference ? 8 : 4;
  const double per_value =
      element * (plan.spec.trajectories ? 1 + static_cast<double>(plan.spec.settings.steps) : 1);
  double bytes = kBytesPerSample + kBytesPerTopK * static_cast<double>(plan.classification.top_k);
  for (const std::int64_t probe : plan.spec.probes)
    bytes += per_value * static_cast<double>(ProbeSize(network, probe));
  if (plan.classification.scores) {
    bytes += element * static_cast<double>(
                           ProbeSize(network, plan.spec.probes[static_cast<std::size_t>(plan.class_probe)]));
  }
  bytes *= static_cast<double>(plan.samples);
  return bytes < 9e18 ? static_cast<std::int64_t>(bytes) : std::int64_t{9'000'000'000'000'000'000};
}

Status CheckResponseSize(const ResponsePlan& plan, const Limits& limits) {
  if (plan.response_bytes <= limits.max_response_bytes) return {};
  return ResourceExhausted(
      Join("the response to ", plan.samples, " samples of ", plan.spec.probes.size(), " probes",
           plan.spec.trajectories ? Join(" with trajectories of ", plan.spec.settings.steps, " steps")
                                  : std::string(),
           " would have ", plan.response_bytes, " bytes, allowed ", limits.max_response_bytes,
           " (--max-response-mb); ask for fewer samples, steps or probes"));
}

}  // namespace

v1::DataType ResponseType(engine::Mode mode) {
  return mode == engine::Mode::kReference ? v1::DATA_TYPE_FLOAT64 : v1::DATA_TYPE_FLOAT32;
}

Result<SimulatePlan> PlanSimulation(const v1::SimulateRequest& request, serving::NetworkHandle handle,
                                    const Limits& limits) {
  const engine::Network& network = *handle->network;
  SimulatePlan plan;
  ResponsePlan& response = plan.response;
  auto settings = DecodeSettings(request, network.definition().defaults, limits);
  if (!settings.ok()) return settings.status();
  auto probes = DecodeProbes(request, network);
  if (!probes.ok()) return probes.status();
  auto inputs = DecodeInputs(request, network, handle->mode, settings.value().steps, limits);
  if (!inputs.ok()) return inputs.status();
  plan.samples = std::move(inputs.value().samples);
  response.network = std::move(handle);
  response.samples = static_cast<std::int64_t>(plan.samples.size());
  response.class_probe = ClassProbe(probes.value(), network);
  response.spec = {std::move(settings).value(), std::move(inputs.value().formats), std::move(probes).value(),
                   request.trajectories(), request.statistics()};
  if (Status status = CheckClassification(request, response); !status.ok()) return status;
  response.classification = {request.top_k(), request.softmax()};
  response.response_bytes = ResponseBytes(response);
  if (Status status = CheckResponseSize(response, limits); !status.ok()) return status;
  return plan;
}

}  // namespace spikeserve::rpc
