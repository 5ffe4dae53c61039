#include "server/rpc/decode/decode_request_probes.h"

#include <algorithm>
#include <string_view>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"
#include "server/engine/run/spec_rules.h"
#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

constexpr int kMaxProbes = 64;
constexpr double kMaxTau = 1e6;
constexpr std::size_t kMaxName = 140;  // of an operation, a dot and a quantity

// Operations that a request may probe.
std::string Targets(const engine::Network& network) {
  constexpr int kMaxListed = 16;
  std::string names;
  int listed = 0;
  for (const std::int64_t operation : network.order()) {
    if (!engine::CanProbe(network, operation)) {
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

// As the protocol calls it, without the name of the enumeration.
std::string NameOf(v1::ProbeQuantity quantity) {
  return v1::ProbeQuantity_Name(quantity).substr(sizeof("PROBE_QUANTITY_") - 1);
}

Result<engine::ProbeQuantity> DecodeQuantity(const v1::RequestProbe& probe, const engine::Network& network,
                                             std::int64_t operation, const std::string& where) {
  using engine::ProbeQuantity;
  std::string allowed;
  for (const ProbeQuantity quantity :
       {ProbeQuantity::kOutput, ProbeQuantity::kCurrent, ProbeQuantity::kSpikes, ProbeQuantity::kVoltage}) {
    if (!engine::HasQuantity(network, operation, quantity)) {
      continue;
    }
    if (Encode(quantity) == probe.quantity()) {
      return quantity;
    }
    allowed += (allowed.empty() ? "" : ", ") + NameOf(Encode(quantity));
  }
  return InvalidArgument(Join(where, "quantity: got ", v1::ProbeQuantity_Name(probe.quantity()), " (",
                              static_cast<int>(probe.quantity()), "), allowed for ", Quote(probe.target()),
                              ": ", allowed));
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
  const bool session = steps == 0;
  recording.every = probe.every() == 0 ? 1 : probe.every();
  if (!session) {
    recording.first_step = probe.first_step() == 0 ? 1 : probe.first_step();
    recording.last_step = probe.last_step() == 0 ? steps : probe.last_step();
  }
  if (const auto problem =
          session ? engine::RecordingProblem(recording) : engine::RecordingProblem(recording, steps)) {
    return InvalidArgument(where + *problem);
  }
  if (!session || (probe.first_step() == 0 && probe.last_step() == 0)) {
    return {};
  }
  return InvalidArgument(where + "first_step, last_step: not in a session, whose messages are the windows");
}

Result<engine::RequestProbe> DecodeProbe(const v1::RequestProbe& message, const engine::Network& network,
                                         std::int64_t steps, const std::string& where) {
  engine::RequestProbe probe;
  probe.operation = network.Find(message.target());
  const bool known = probe.operation >= 0;
  if (!engine::CanProbe(network, probe.operation)) {
    return InvalidArgument(Join(where, "target: got ", Quote(message.target()),
                                known ? ", which is neither a Neuron nor read by a probe of the network" : "",
                                ", allowed: ", Targets(network)));
  }
  const auto quantity = DecodeQuantity(message, network, probe.operation, where);
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
  std::string quantity = NameOf(probe.quantity());
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

Status DecodeEarlyExit(const v1::EarlyExit& message, int class_probe, engine::SimulationSpec& spec) {
  const std::int64_t skip = spec.settings.readout.skip_steps;
  const std::int64_t steps = spec.settings.steps;
  const engine::EarlyExit& exit = spec.early_exit.emplace(
      engine::EarlyExit{class_probe, message.min_steps() == 0 ? skip + 1 : message.min_steps(),
                        message.check_every() == 0 ? 1 : message.check_every(), message.margin()});
  if (class_probe >= 0 && spec.settings.readout.kind == engine::ReadoutKind::kLast) {
    return InvalidArgument("early_exit: got readout READOUT_KIND_LAST, allowed with a mean readout only");
  }
  if (const auto problem = EarlyExitProblem(spec)) {
    return InvalidArgument(*problem);
  }
  if (exit.min_steps <= skip || exit.min_steps > steps) {
    return InvalidArgument(Join("early_exit.min_steps: got ", exit.min_steps, ", allowed ", skip + 1, "..",
                                steps, ", above skip_steps"));
  }
  if (exit.check_every >= 1 && exit.check_every <= steps) {
    return {};
  }
  return InvalidArgument(Join("early_exit.check_every: got ", exit.check_every, ", allowed 1..", steps));
}

void EncodeEarlyExit(const engine::EarlyExit& exit, v1::EarlyExit& encoded) {
  encoded.set_margin(exit.margin);
  encoded.set_min_steps(exit.min_steps);
  encoded.set_check_every(exit.check_every);
}

}  // namespace spikeserve::rpc
