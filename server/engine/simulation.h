#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/engine/encoding.h"
#include "server/engine/input_addresses.h"
#include "server/engine/network_definition.h"
#include "server/engine/probe_recorder.h"

namespace spikeserve::engine {

// What a run does, fully resolved: no field is "as stored" any more, except the initial voltages.
struct RunSettings {
  double dt_s = 0.001;
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

// One probe over all samples.
struct ProbeReading {
  std::int64_t size = 0;           // elements per sample
  std::vector<double> values;      // [samples, size]: the readout over the steps done
  std::vector<double> trajectory;  // [samples, steps done, size], where asked for
};

// One request probe over all samples.
struct ProbeRecord {
  std::int64_t size = 0;       // elements per sample and row
  std::int64_t rows = 0;       // steps that were kept, or 1 where they are reduced
  std::vector<double> values;  // [samples, rows, size]
};

// What one Neuron operation did for one sample.
struct LayerActivity {
  std::int64_t spikes = 0;
  std::int64_t busiest_neuron_spikes = 0;
  std::int64_t silent_neurons = 0;
  std::int64_t synaptic_operations = 0;  // sum over spikes of the weights they reached
};

struct Reading {
  std::int64_t steps_done = 0;
  std::vector<ProbeReading> probes;                    // in SimulationSpec::probes order
  std::vector<std::vector<LayerActivity>> statistics;  // [sample][spiking layer], where asked for
  std::vector<std::int64_t> spikes;                    // [sample]: of all spiking layers, up to steps_done
  std::vector<ProbeRecord> records;                    // in SimulationSpec::request_probes order
  std::vector<std::int64_t> steps_used;  // [sample]: behind its readout; with early exit and in sessions
  std::vector<Status> sample_status;     // OUT_OF_RANGE where a sample's numbers left their range
};

// Asked now and then by long work, from any of its threads; true ends the work early, with CANCELLED.
using StopCheck = std::function<bool()>;

// All mutable state of a batch of samples. One thread at a time.
class Simulation {
 public:
  virtual ~Simulation() = default;
  // Runs `steps` further steps (>= 1, no more than remain). A simulation that was stopped is of no further
  // use.
  virtual Status Advance(std::int64_t steps, const StopCheck& stopped = {}) = 0;
  // The readout so far.
  virtual Result<Reading> Read() = 0;
  // Whether no sample needs further steps.
  virtual bool finished() const { return false; }

  // Of a session. Goes on with other inputs, whose values per step begin at the next step; needed before the
  // first Advance and after Reset. UNIMPLEMENTED where the backend has no sessions.
  virtual Status Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples);
  // Of a session. Puts these samples back to step 0.
  virtual Status Reset(std::span<const std::int64_t> samples);
};

// A spiking layer, as statistics report it.
struct SpikingLayer {
  std::string name;
  std::int64_t neurons = 0;
};

inline constexpr std::int64_t kMaxChunkSteps = 128;

// Steps that keep one sample's share of an Advance to `synapses_per_chunk` synapses times steps, a second or
// so, whatever the network; at most `most`.
std::int64_t ChunkSteps(std::int64_t synapses, std::int64_t synapses_per_chunk,
                        std::int64_t most = kMaxChunkSteps);

// A network on a device. Immutable and thread-safe.
class ResidentNetwork {
 public:
  virtual ~ResidentNetwork() = default;
  // Bytes held on the device and the host while resident.
  virtual std::int64_t bytes() const = 0;
  // Upper bound of the bytes that `samples` samples need while they run, readings included.
  virtual std::int64_t EstimateRunBytes(const SimulationSpec& spec, std::int64_t samples) const = 0;
  // The layers of Reading::statistics, in order.
  virtual const std::vector<SpikingLayer>& spiking_layers() const = 0;
  // Steps of an Advance after which another request may have its turn.
  virtual std::int64_t chunk_steps() const { return kMaxChunkSteps; }
  // Whether a spec with in_one needs less memory than one without, and a stop is still heard in time.
  virtual bool runs_in_one() const { return false; }
  // State for these samples, at step 0. The network must outlive the simulation.
  virtual Result<std::unique_ptr<Simulation>> NewSimulation(const SimulationSpec& spec,
                                                            std::span<const SampleInputs> samples) const = 0;
};

}  // namespace spikeserve::engine
