#include "server/engine/run/checked_spec.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>

#include "server/engine/network/index.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/network/violations.h"
#include "server/engine/run/spec_rules.h"

namespace spikeserve::engine {
namespace {

// Where something is wrong, a refusal that says in which part of the specification.
Status Refusal(const std::optional<FieldProblem>& problem) {
  return problem ? InvalidArgument(problem->Text()) : Status();
}
Status Refusal(const std::optional<std::string>& problem, const std::string& where = {}) {
  return problem ? InvalidArgument(where + *problem) : Status();
}

Status First(std::initializer_list<Status> statuses) {
  const auto bad = std::find_if(statuses.begin(), statuses.end(), [](const Status& s) { return !s.ok(); });
  return bad == statuses.end() ? Status() : *bad;
}

Status CheckSettings(const RunSettings& settings) {
  return First({Refusal(StepsProblem(settings.steps)), Refusal(DtProblem(settings.dt_s)),
                Refusal(SkipProblem(settings.readout.skip_steps, settings.steps))});
}

Status CheckEncodings(const std::vector<InputFormat>& inputs, double dt_s) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].encoding) {
      continue;
    }
    const std::string where = Join("encoding of input ", i, ": ");
    if (Status status = First({Refusal(HeldInputProblem(inputs[i]), where),
                               Refusal(EncodingProblem(*inputs[i].encoding, dt_s), where)});
        !status.ok()) {
      return status;
    }
  }
  return {};
}

Status CheckEarlyExit(const SimulationSpec& spec) {
  if (!spec.early_exit) {
    return {};
  }
  if (const auto problem = EarlyExitProblem(spec)) {
    return InvalidArgument(*problem);
  }
  const auto [probe, min_steps, check_every, margin] = *spec.early_exit;
  if (min_steps >= 1 && check_every >= 1) {
    return {};
  }
  return InvalidArgument(Join("early_exit: got min_steps ", min_steps, " and check_every ", check_every,
                              ", allowed 1 and above"));
}

Status WrongInputs(std::size_t wanted) {
  return InvalidArgument("inputs: wanted one for each of the " + std::to_string(wanted) +
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

Status CheckRequestProbes(const SimulationSpec& spec, const Network& network) {
  for (std::size_t i = 0; i < spec.request_probes.size(); ++i) {
    const RequestProbe& probe = spec.request_probes[i];
    if (!CanProbe(network, probe.operation)) {
      return InvalidArgument(Join("request probe: operation ", probe.operation,
                                  " is neither a Neuron nor read by a probe of the network"));
    }
    if (!HasQuantity(network, probe.operation, probe.quantity)) {
      return InvalidArgument(
          Join("request probe: operation ", probe.operation, " has no such quantity to record"));
    }
    if (const auto problem = RecordingProblem(probe.recording)) {
      return InvalidArgument(Join("request_probes[", i, "].", *problem));
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
    return WrongInputs(network.inputs().size());
  }
  if (Status status = First({CheckEncodings(spec.inputs, spec.settings.dt_s), CheckProbes(spec, network),
                             CheckEarlyExit(spec), CheckRequestProbes(spec, network),
                             CheckTaps(network, spec.settings.dt_s)});
      !status.ok()) {
    return status;
  }
  return CheckedSpec(network, std::move(spec));
}

CheckedSpec CheckedSpec::InChunks() const {
  SimulationSpec spec = *spec_;
  spec.in_one = false;
  CheckedSpec checked = *this;
  checked.spec_ = std::make_shared<const SimulationSpec>(std::move(spec));
  return checked;
}

Result<CheckedSpec> CheckedSpec::WithInputs(const std::vector<InputFormat>& inputs) const {
  if (inputs.size() != spec_->inputs.size()) {
    return WrongInputs(spec_->inputs.size());
  }
  if (inputs == spec_->inputs) {
    return *this;
  }
  if (Status status = CheckEncodings(inputs, spec_->settings.dt_s); !status.ok()) {
    return status;
  }
  SimulationSpec changed = *spec_;
  changed.inputs = inputs;
  return CheckedSpec(*network_, std::move(changed));
}

Status CheckSamples(const CheckedSpec& spec, std::span<const SampleInputs> samples) {
  for (const SampleInputs& sample : samples) {
    if (sample.data.size() != spec->inputs.size()) {
      return WrongInputs(spec->inputs.size());
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
