#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "server/engine/run/encoding.h"
#include "server/engine/run/input_addresses.h"
#include "server/engine/run/probe_recorder.h"

namespace spikeserve::engine {

// What a run does, fully resolved: no field is "as stored" any more, except the initial voltages.
struct RunSettings {
  double dt_s = kDefaultDt;
  std::int64_t steps = 100;
  Readout readout;
  std::optional<std::uint64_t> seed;  // replaces the seed of Uniform initial voltages; of random neurons
  std::optional<InitialVoltage> initial_voltage;  // replaces every layer's own; never TensorVoltage

  bool operator==(const RunSettings&) const = default;
};

// Element type of an input, whether it is [steps, shape...] rather than held constant, and how a held one
// becomes spikes; without an encoding the values themselves are the current.
struct InputFormat {
  DataType type = DataType::kFloat32;
  bool per_step = false;
  std::optional<Encoding> encoding = std::nullopt;

  bool operator==(const InputFormat&) const = default;
};

// Whether the products of an input read the bytes of a uint8 tensor themselves.
inline bool HasByteValues(const InputFormat& format) {
  return format.type == DataType::kUint8 && !format.encoding;
}

// Ends a sample's run once its answer is clear: at step min_steps and every check_every steps after it, if
// the largest value of the readout lies `margin` or more above the second largest.
struct EarlyExit {
  std::int64_t probe = 0;  // in SimulationSpec::probes
  std::int64_t min_steps = 1;
  std::int64_t check_every = 1;
  double margin = 0;

  bool operator==(const EarlyExit&) const = default;
};

// A probe that a request brings along: a Neuron operation, or one that a probe of the network reads.
struct RequestProbe {
  std::int64_t operation = 0;
  ProbeQuantity quantity = ProbeQuantity::kOutput;
  std::optional<double> filter_tau_s = std::nullopt;  // of a low-pass that what is recorded has passed
  Recording recording;

  bool operator==(const RequestProbe&) const = default;
};

// Everything that all samples of one simulation share.
struct SimulationSpec {
  RunSettings settings;
  std::vector<InputFormat> inputs;   // one per Input operation, in Network::inputs() order
  std::vector<std::int64_t> probes;  // indices of the definition's probes to read
  bool trajectories = false;
  bool statistics = false;
  bool gross_statistics = false;  // they count what neurons with memory take back, and what that cancels
  std::optional<EarlyExit> early_exit;  // not with trajectories or request probes
  std::vector<RequestProbe> request_probes;
  // A session: Simulation::Feed is called, settings.steps is an upper bound only, and trajectories and
  // request probes begin anew with every Feed.
  bool session = false;
  // Advance is called once, with all steps, so that the state of a few samples at a time is enough.
  bool in_one = false;

  bool operator==(const SimulationSpec&) const = default;
};

// Where the values of one sample lie: one pointer per Input operation, to element_count(shape) values
// (times steps where per_step) of the format's type. Finite, aligned or not, kept alive by the caller
// until the Simulation is gone.
struct SampleInputs {
  InputAddresses data;
  std::int64_t index = 0;  // place of the sample in its request: random numbers depend on it
};

inline EncodingKey KeyOf(const RunSettings& settings, const SampleInputs& sample, std::int64_t input) {
  return {settings.seed.value_or(0), sample.index, input};
}

}  // namespace spikeserve::engine
