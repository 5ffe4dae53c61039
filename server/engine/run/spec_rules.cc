#include "server/engine/run/spec_rules.h"

#include <algorithm>
#include <variant>

#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

std::optional<FieldProblem> StepsProblem(std::int64_t steps, std::int64_t most) {
  if (steps >= 1 && steps <= most) {
    return std::nullopt;
  }
  return FieldProblem{Join("steps: got ", steps), Join("allowed 1..", most)};
}

std::optional<FieldProblem> DtProblem(double dt_s, double least, double most) {
  if (dt_s >= least && dt_s <= most) {  // false for NaN
    return std::nullopt;
  }
  return FieldProblem{Join("dt: got ", dt_s, " s"), Join("allowed ", least, "..", most, " s")};
}

std::optional<FieldProblem> SkipProblem(std::int64_t skip_steps, std::int64_t steps) {
  if (skip_steps >= 0 && skip_steps < steps) {
    return std::nullopt;
  }
  return FieldProblem{Join("skip_steps: got ", skip_steps),
                      Join("allowed 0..", steps - 1, ", below the ", steps, " steps of the run")};
}

std::optional<std::string> HeldInputProblem(const InputFormat& format) {
  if (!format.per_step) {
    return std::nullopt;
  }
  return "input: has one value per step, wanted one that is constant over the run";
}

std::optional<std::string> RecordingProblem(const Recording& recording, std::int64_t steps) {
  if (recording.every < 1) {
    return Join("every: got ", recording.every, ", allowed 1 and above");
  }
  if (recording.first_step < 1 || recording.first_step > steps) {
    return Join("first_step: got ", recording.first_step, ", allowed 1..", steps);
  }
  if (recording.last_step >= recording.first_step && recording.last_step <= steps) {
    return std::nullopt;
  }
  return Join("last_step: got ", recording.last_step, ", allowed ", recording.first_step, "..", steps);
}

bool CanProbe(const Network& network, std::int64_t operation) {
  const NetworkDefinition& definition = network.definition();
  if (operation < 0 || operation >= static_cast<std::int64_t>(definition.operations.size())) {
    return false;
  }
  bool can = HasUnits(definition.operations[Index(operation)].kind);
  for (std::size_t i = 0; i < definition.probes.size(); ++i) {
    can = can || network.probe_target(static_cast<std::int64_t>(i)) == operation;
  }
  return can;
}

bool HasQuantity(const Network& network, std::int64_t operation, ProbeQuantity quantity) {
  const OperationKind& kind = network.definition().operations[Index(operation)].kind;
  const auto* neuron = std::get_if<NeuronOperation>(&kind);
  switch (quantity) {
    case ProbeQuantity::kOutput: return true;
    case ProbeQuantity::kCurrent: return neuron != nullptr;
    case ProbeQuantity::kSpikes: return SendsSpikes(kind);
    case ProbeQuantity::kVoltage: return neuron != nullptr && HasVoltage(neuron->model);
    case ProbeQuantity::kUnspecified: break;
  }
  return false;
}

std::optional<std::string> EarlyExitProblem(const SimulationSpec& spec) {
  const EarlyExit& exit = *spec.early_exit;
  if (exit.probe < 0 || exit.probe >= static_cast<std::int64_t>(spec.probes.size())) {
    return "early_exit: needs an OUTPUT probe among `probes`";
  }
  if (spec.session) {
    return "early_exit: a session has none";
  }
  if (spec.trajectories || !spec.request_probes.empty()) {
    return "early_exit: not with trajectories or request_probes, as samples end at different steps";
  }
  if (exit.margin >= 0) {
    return std::nullopt;
  }
  return Join("early_exit.margin: got ", exit.margin, ", allowed 0 and above");
}

}  // namespace spikeserve::engine
