#include "server/engine/run/checked_spec.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "server/engine/network/index.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

Status CheckEncodings(const std::vector<InputFormat>& inputs, double dt_s) {
  for (const InputFormat& format : inputs) {
    if (!format.encoding) {
      continue;
    }
    if (format.per_step) {
      return InvalidArgument("encoding: wanted an input that is constant over the run");
    }
    if (const auto problem = EncodingProblem(*format.encoding, dt_s)) {
      return InvalidArgument("encoding: " + *problem);
    }
  }
  return {};
}

Status CheckRecordings(const SimulationSpec& spec) {
  for (const RequestProbe& probe : spec.request_probes) {
    const Recording& recording = probe.recording;
    if (recording.every < 1 || recording.first_step < 1 || recording.last_step < recording.first_step) {
      return InvalidArgument("request probe: got steps " + std::to_string(recording.first_step) + ".." +
                             std::to_string(recording.last_step) + ", every " +
                             std::to_string(recording.every) + "; wanted a range from 1 on, every >= 1");
    }
  }
  return {};
}

Status CheckEarlyExit(const SimulationSpec& spec) {
  if (!spec.early_exit) {
    return {};
  }
  const EarlyExit& exit = *spec.early_exit;
  if (exit.probe < 0 || exit.probe >= static_cast<std::int64_t>(spec.probes.size()) || exit.min_steps < 1 ||
      exit.check_every < 1 || std::isnan(exit.margin)) {
    return InvalidArgument("early exit: wanted one of the probes, min_steps and check_every >= 1, a margin");
  }
  if (spec.trajectories || spec.session || !spec.request_probes.empty()) {
    return InvalidArgument("early exit: not with trajectories, request probes or sessions");
  }
  return {};
}

Status CheckSettings(const RunSettings& settings) {
  if (settings.steps < 1 || !(settings.dt_s > 0) || !std::isfinite(settings.dt_s)) {
    return InvalidArgument("steps: got " + std::to_string(settings.steps) + ", dt: got " +
                           std::to_string(settings.dt_s) + " s; wanted steps >= 1 and a finite dt > 0");
  }
  const std::int64_t skip = settings.readout.skip_steps;
  if (skip >= 0 && skip < settings.steps) {
    return {};
  }
  return InvalidArgument("skip_steps: got " + std::to_string(skip) + ", wanted 0.." +
                         std::to_string(settings.steps - 1));
}

Status WrongInputs(const Network& network) {
  return InvalidArgument("inputs: wanted one for each of the " + std::to_string(network.inputs().size()) +
                         " Input operations of the network");
}

Status CheckProbes(const SimulationSpec& spec, const Network& network) {
  const auto probes = static_cast<std::int64_t>(network.definition().probes.size());
  for (const std::int64_t probe : spec.probes) {
    if (probe < 0 || probe >= probes) {
      return InvalidArgument("probe index: got " + std::to_string(probe) + ", the network has " +
                             std::to_string(probes));
    }
  }
  return {};
}

// Whether the operation is a layer: a Neuron, or read by a probe.
bool IsLayer(const Network& network, std::int64_t operation) {
  const NetworkDefinition& definition = network.definition();
  if (operation < 0 || operation >= static_cast<std::int64_t>(definition.operations.size())) {
    return false;
  }
  bool is_layer = std::holds_alternative<NeuronOperation>(definition.operations[Index(operation)].kind);
  for (std::size_t i = 0; i < definition.probes.size(); ++i) {
    is_layer = is_layer || network.probe_target(static_cast<std::int64_t>(i)) == operation;
  }
  return is_layer;
}

Status CheckRequestProbes(const SimulationSpec& spec, const Network& network) {
  for (const RequestProbe& probe : spec.request_probes) {
    if (!IsLayer(network, probe.operation)) {
      return InvalidArgument("request probe: operation " + std::to_string(probe.operation) +
                             " is neither a Neuron nor read by a probe of the network");
    }
  }
  return {};
}

}  // namespace

Result<CheckedSpec> CheckedSpec::Create(const Network& network, SimulationSpec spec) {
  if (Status status = CheckSettings(spec.settings); !status.ok()) {
    return status;
  }
  if (spec.inputs.size() != network.inputs().size()) {
    return WrongInputs(network);
  }
  for (const Status& status :
       {CheckEncodings(spec.inputs, spec.settings.dt_s), CheckRecordings(spec), CheckProbes(spec, network),
        CheckEarlyExit(spec), CheckRequestProbes(spec, network), CheckTaps(network, spec.settings.dt_s)}) {
    if (!status.ok()) {
      return status;
    }
  }
  return CheckedSpec(std::move(spec));
}

Result<CheckedSpec> CheckedSpec::WithInputs(const std::vector<InputFormat>& inputs) const {
  if (inputs == spec_->inputs) {
    return *this;
  }
  if (Status status = CheckEncodings(inputs, spec_->settings.dt_s); !status.ok()) {
    return status;
  }
  SimulationSpec changed = *spec_;
  changed.inputs = inputs;
  return CheckedSpec(std::move(changed));
}

Status CheckSamples(const CheckedSpec& spec, std::span<const SampleInputs> samples) {
  for (const SampleInputs& sample : samples) {
    if (sample.data.size() != spec->inputs.size()) {
      return InvalidArgument("inputs: wanted one for each of the " + std::to_string(spec->inputs.size()) +
                             " Input operations of the network");
    }
  }
  return {};
}

Result<CheckedSpec> FedSpec(const CheckedSpec& spec, const std::vector<InputFormat>& inputs,
                            std::span<const SampleInputs> samples, std::size_t count) {
  if (!spec->session) {
    return FailedPrecondition("this simulation is no session: its inputs are those it was made with");
  }
  if (inputs.size() != spec->inputs.size() || samples.size() != count || !CheckSamples(spec, samples).ok()) {
    return InvalidArgument("inputs: wanted " + std::to_string(spec->inputs.size()) + " for each of the " +
                           std::to_string(count) + " samples of the session");
  }
  return spec.WithInputs(inputs);
}

}  // namespace spikeserve::engine
