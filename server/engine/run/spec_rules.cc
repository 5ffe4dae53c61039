#include "server/engine/run/spec_rules.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "server/engine/run/layers.h"

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

}  // namespace

Status CheckSpec(const SimulationSpec& spec, std::int64_t inputs, std::int64_t probes,
                 std::span<const SampleInputs> samples) {
  const RunSettings& settings = spec.settings;
  if (settings.steps < 1 || !(settings.dt_s > 0) || !std::isfinite(settings.dt_s)) {
    return InvalidArgument("steps: got " + std::to_string(settings.steps) + ", dt: got " +
                           std::to_string(settings.dt_s) + " s; wanted steps >= 1 and a finite dt > 0");
  }
  const std::int64_t skip = settings.readout.skip_steps;
  if (skip < 0 || skip >= settings.steps) {
    return InvalidArgument("skip_steps: got " + std::to_string(skip) + ", wanted 0.." +
                           std::to_string(settings.steps - 1));
  }
  const auto all_given = [&](const SampleInputs& sample) {
    return static_cast<std::int64_t>(sample.data.size()) == inputs;
  };
  if (static_cast<std::int64_t>(spec.inputs.size()) != inputs ||
      !std::all_of(samples.begin(), samples.end(), all_given)) {
    return InvalidArgument("inputs: wanted one for each of the " + std::to_string(inputs) +
                           " Input operations of the network");
  }
  if (Status status = CheckEncodings(spec.inputs, settings.dt_s); !status.ok()) {
    return status;
  }
  if (Status status = CheckRecordings(spec); !status.ok()) {
    return status;
  }
  for (const std::int64_t probe : spec.probes) {
    if (probe < 0 || probe >= probes) {
      return InvalidArgument("probe index: got " + std::to_string(probe) + ", the network has " +
                             std::to_string(probes));
    }
  }
  return CheckEarlyExit(spec);
}

Status CheckFeed(const SimulationSpec& spec, const std::vector<InputFormat>& inputs,
                 std::span<const SampleInputs> samples, std::size_t count) {
  if (!spec.session) {
    return {StatusCode::kFailedPrecondition,
            "this simulation is no session: its inputs are those it was made with"};
  }
  const auto all_given = [&](const SampleInputs& sample) { return sample.data.size() == spec.inputs.size(); };
  if (inputs.size() != spec.inputs.size() || samples.size() != count ||
      !std::all_of(samples.begin(), samples.end(), all_given)) {
    return InvalidArgument("inputs: wanted " + std::to_string(spec.inputs.size()) + " for each of the " +
                           std::to_string(count) + " samples of the session");
  }
  return CheckEncodings(inputs, spec.settings.dt_s);
}

Status CheckRequestProbes(const Plan& plan, const SimulationSpec& spec) {
  for (const RequestProbe& probe : spec.request_probes) {
    if (LayerOf(plan, probe.operation) < 0) {
      return InvalidArgument("request probe: operation " + std::to_string(probe.operation) +
                             " is neither a Neuron nor read by a probe of the network");
    }
  }
  return {};
}

}  // namespace spikeserve::engine
