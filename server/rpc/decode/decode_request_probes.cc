#include "server/rpc/decode/decode_request_probes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "server/base/quote.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/network/violations.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

constexpr int kMaxProbes = 64;
constexpr double kMaxTau = 1e6;
constexpr std::size_t kMaxName = 140;  // of an operation, a dot and a quantity

const engine::OperationKind& KindOf(const engine::Network& network, std::int64_t operation) {
  return network.definition().operations[static_cast<std::size_t>(operation)].kind;
}

bool IsProbed(const engine::Network& network, std::int64_t operation) {
  const auto probes = static_cast<std::int64_t>(network.definition().probes.size());
  for (std::int64_t i = 0; i < probes; ++i) {
    if (network.probe_target(i) == operation) {
      return true;
    }
  }
  return false;
}

// Operations that a request may probe.
std::string Targets(const engine::Network& network) {
  constexpr int kMaxListed = 16;
  std::string names;
  int listed = 0;
  for (const std::int64_t operation : network.order()) {
    const bool neuron = std::holds_alternative<engine::NeuronOperation>(KindOf(network, operation));
    if (!neuron && !IsProbed(network, operation)) {
      continue;
    }
    if (++listed > kMaxListed) {
      return names + ", ...";
    }
    names += (listed == 1 ? "" : ", ") +
             Quote(network.definition().operations[static_cast<std::size_t>(operation)].name);
  }
  return names;
}

Result<engine::ProbeQuantity> DecodeQuantity(const v1::RequestProbe& probe, const engine::OperationKind& kind,
                                             const std::string& where) {
  using engine::ProbeQuantity;
  const auto* neuron = std::get_if<engine::NeuronOperation>(&kind);
  const bool spiking = neuron != nullptr && engine::IsSpiking(neuron->model);
  const bool voltage = neuron != nullptr && engine::HasVoltage(neuron->model);
  switch (probe.quantity()) {
    case v1::PROBE_QUANTITY_OUTPUT: return ProbeQuantity::kOutput;
    case v1::PROBE_QUANTITY_CURRENT:
      if (neuron != nullptr) {
        return ProbeQuantity::kCurrent;
      }
      break;
    case v1::PROBE_QUANTITY_SPIKES:
      if (spiking) {
        return ProbeQuantity::kSpikes;
      }
      break;
    case v1::PROBE_QUANTITY_VOLTAGE:
      if (voltage) {
        return ProbeQuantity::kVoltage;
      }
      break;
    default: break;
  }
  return InvalidArgument(Join(where, "quantity: got ", v1::ProbeQuantity_Name(probe.quantity()), " (",
                              static_cast<int>(probe.quantity()), "), allowed for ", Quote(probe.target()),
                              ": OUTPUT", neuron != nullptr ? ", CURRENT" : "", spiking ? ", SPIKES" : "",
                              voltage ? ", VOLTAGE" : ""));
}

Result<engine::Reduction> DecodeReduction(v1::Reduction reduction, const std::string& where) {
  switch (reduction) {
    case v1::REDUCTION_NONE: return engine::Reduction::kNone;
    case v1::REDUCTION_MEAN: return engine::Reduction::kMean;
    case v1::REDUCTION_SUM: return engine::Reduction::kSum;
    case v1::REDUCTION_LAST: return engine::Reduction::kLast;
    case v1::REDUCTION_MAX: return engine::Reduction::kMax;
    default: break;
  }
  return InvalidArgument(
      Join(where, "reduction: got ", static_cast<int>(reduction), ", allowed NONE, MEAN, SUM, LAST, MAX"));
}

// The window and spacing of the steps that are kept.
Status DecodeWindow(const v1::RequestProbe& probe, std::int64_t steps, const std::string& where,
                    engine::Recording& recording) {
  if (probe.every() < 0) {
    return InvalidArgument(Join(where, "every: got ", probe.every(), ", allowed 1 and above"));
  }
  recording.every = std::max<std::int64_t>(probe.every(), 1);
  if (steps == 0) {
    if (probe.first_step() == 0 && probe.last_step() == 0) {
      return {};
    }
    return InvalidArgument(where + "first_step, last_step: not in a session, whose messages are the windows");
  }
  recording.first_step = probe.first_step() == 0 ? 1 : probe.first_step();
  recording.last_step = probe.last_step() == 0 ? steps : probe.last_step();
  if (recording.first_step < 1 || recording.first_step > steps) {
    return InvalidArgument(Join(where, "first_step: got ", recording.first_step, ", allowed 1..", steps));
  }
  if (recording.last_step >= recording.first_step && recording.last_step <= steps) {
    return {};
  }
  return InvalidArgument(
      Join(where, "last_step: got ", recording.last_step, ", allowed ", recording.first_step, "..", steps));
}

Result<engine::RequestProbe> DecodeProbe(const v1::RequestProbe& message, const engine::Network& network,
                                         std::int64_t steps, const std::string& where) {
  engine::RequestProbe probe;
  probe.operation = network.Find(message.target());
  const bool known = probe.operation >= 0;
  if (!known || (!std::holds_alternative<engine::NeuronOperation>(KindOf(network, probe.operation)) &&
                 !IsProbed(network, probe.operation))) {
    return InvalidArgument(Join(where, "target: got ", Quote(message.target()),
                                known ? ", which is neither a Neuron nor read by a probe of the network" : "",
                                ", allowed: ", Targets(network)));
  }
  const auto quantity = DecodeQuantity(message, KindOf(network, probe.operation), where);
  if (!quantity.ok()) {
    return quantity.status();
  }
  probe.quantity = quantity.value();
  const auto reduction = DecodeReduction(message.reduction(), where);
  if (!reduction.ok()) {
    return reduction.status();
  }
  probe.recording.reduction = reduction.value();
  if (Status status = DecodeWindow(message, steps, where, probe.recording); !status.ok()) {
    return status;
  }
  if (!message.has_filter_tau()) {
    return probe;
  }
  if (!(message.filter_tau() >= 0 && message.filter_tau() <= kMaxTau)) {  // true for NaN
    return InvalidArgument(
        Join(where, "filter_tau: got ", message.filter_tau(), " s, allowed 0..", kMaxTau, " s"));
  }
  probe.filter_tau_s = message.filter_tau();
  return probe;
}

bool IsProbeName(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._/:-").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), allowed);
}

std::string NameOf(const v1::RequestProbe& probe) {
  if (!probe.name().empty()) {
    return probe.name();
  }
  std::string quantity = v1::ProbeQuantity_Name(probe.quantity()).substr(sizeof("PROBE_QUANTITY_") - 1);
  std::transform(quantity.begin(), quantity.end(), quantity.begin(),
                 [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return probe.target() + "." + quantity;
}

}  // namespace

Result<RequestProbes> DecodeRequestProbes(const google::protobuf::RepeatedPtrField<v1::RequestProbe>& probes,
                                          const engine::Network& network, std::int64_t steps) {
  if (probes.size() > kMaxProbes) {
    return InvalidArgument(Join("request_probes: got ", probes.size(), ", allowed 0..", kMaxProbes));
  }
  RequestProbes decoded;
  for (int i = 0; i < probes.size(); ++i) {
    const std::string where = Join("request_probes[", i, "].");
    const auto probe = DecodeProbe(probes[i], network, steps, where);
    if (!probe.ok()) {
      return probe.status();
    }
    const std::string name = NameOf(probes[i]);
    if (!IsProbeName(name)) {
      return InvalidArgument(
          Join(where, "name: got ", Quote(name), ", allowed [A-Za-z0-9._/:-]{1,", kMaxName, "}"));
    }
    if (std::find(decoded.names.begin(), decoded.names.end(), name) != decoded.names.end()) {
      return InvalidArgument(Join(where, "name: ", Quote(name), " is given twice"));
    }
    decoded.probes.push_back(probe.value());
    decoded.names.push_back(name);
  }
  return decoded;
}

Result<engine::EarlyExit> DecodeEarlyExit(const v1::SimulateRequest& request,
                                          const engine::RunSettings& settings, int class_probe) {
  const v1::EarlyExit& message = request.early_exit();
  const std::int64_t skip = settings.readout.skip_steps;
  engine::EarlyExit exit{class_probe, message.min_steps() == 0 ? skip + 1 : message.min_steps(),
                         message.check_every() == 0 ? 1 : message.check_every(), message.margin()};
  if (class_probe < 0) {
    return InvalidArgument("early_exit: needs an OUTPUT probe among `probes`");
  }
  if (settings.readout.kind == engine::ReadoutKind::kLast) {
    return InvalidArgument("early_exit: got readout READOUT_KIND_LAST, allowed with a mean readout only");
  }
  if (request.trajectories() || request.request_probes_size() > 0) {
    return InvalidArgument(
        "early_exit: not with trajectories or request_probes, as samples end at different steps");
  }
  if (!(exit.margin >= 0)) {
    return InvalidArgument(Join("early_exit.margin: got ", exit.margin, ", allowed 0 and above"));
  }
  if (exit.min_steps <= skip || exit.min_steps > settings.steps) {
    return InvalidArgument(Join("early_exit.min_steps: got ", exit.min_steps, ", allowed ", skip + 1, "..",
                                settings.steps, ", above skip_steps"));
  }
  if (exit.check_every >= 1 && exit.check_every <= settings.steps) {
    return exit;
  }
  return InvalidArgument(
      Join("early_exit.check_every: got ", exit.check_every, ", allowed 1..", settings.steps));
}

void EncodeEarlyExit(const engine::EarlyExit& exit, v1::EarlyExit& encoded) {
  encoded.set_margin(exit.margin);
  encoded.set_min_steps(exit.min_steps);
  encoded.set_check_every(exit.check_every);
}

}  // namespace spikeserve::rpc
