#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "server/engine/network/network.h"
#include "server/engine/run/simulation_spec.h"

// What a specification must keep, rule by rule. CheckedSpec holds every specification to them; who builds one
// from parts asks them earlier, to say where a part came from.
namespace spikeserve::engine {

// A value that a field may not have: "steps: got 0", and "allowed 1..100".
struct FieldProblem {
  std::string got;
  std::string allowed;

  // The sentence. `origin`, which stands behind the value, says where that came from.
  std::string Text(std::string_view origin = {}) const { return got + std::string(origin) + ", " + allowed; }
};

std::optional<FieldProblem> StepsProblem(std::int64_t steps,
                                         std::int64_t most = std::numeric_limits<std::int64_t>::max());
std::optional<FieldProblem> DtProblem(double dt_s, double least = std::numeric_limits<double>::denorm_min(),
                                      double most = std::numeric_limits<double>::max());
std::optional<FieldProblem> SkipProblem(std::int64_t skip_steps, std::int64_t steps);

// That of an input which has an encoding; the parameters have EncodingProblem.
std::optional<std::string> HeldInputProblem(const InputFormat& format);

// Of a run of `steps` steps; a window may be open to the end of every run.
std::optional<std::string> RecordingProblem(const Recording& recording,
                                            std::int64_t steps = std::numeric_limits<std::int64_t>::max());

// Whether a request probe may read the operation: a Neuron, or one that a probe of the network reads.
bool CanProbe(const Network& network, std::int64_t operation);
// Whether such an operation has the quantity.
bool HasQuantity(const Network& network, std::int64_t operation, ProbeQuantity quantity);

// What early exit, which the specification has, cannot be combined with, and its margin.
std::optional<std::string> EarlyExitProblem(const SimulationSpec& spec);

}  // namespace spikeserve::engine
