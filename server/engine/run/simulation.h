#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/base/status.h"
#include "server/base/stop_check.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/checked_spec.h"
#include "server/engine/run/reading.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// All mutable state of a batch of samples. One thread at a time.
class Simulation {
 public:
  virtual ~Simulation() = default;
  // Runs `steps` further steps (>= 1, no more than remain). A simulation that was stopped is of no further
  // use.
  virtual Status Advance(std::int64_t steps, const StopCheck& stopped = {}) = 0;
  // The readout so far.
  virtual Result<Reading> Read() = 0;
  // The same, once, after the last Advance: what the simulation keeps itself may be moved out of it.
  virtual Result<Reading> TakeReading() { return Read(); }
  // Whether no sample needs further steps.
  virtual bool finished() const { return false; }
  // From now on all work is done by the thread that calls, where the backend can do so: for what is over
  // sooner than others would have begun to help.
  virtual void StayOnThread() {}
  // Seconds that threads have worked so far, added up over them; 0: not known.
  virtual double worked_s() const { return 0; }

  // Of a session. Goes on with other inputs, whose values per step begin at the next step; needed before the
  // first Advance and after Reset. UNIMPLEMENTED where the backend has no sessions.
  virtual Status Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples);
  // Of a session. Puts these samples back to step 0.
  virtual Status Reset(std::span<const std::int64_t> samples);
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
  // What it was made of.
  virtual const Network& network() const = 0;
  // Bytes held on the device and the host while resident.
  virtual std::int64_t bytes() const = 0;
  // Upper bound of the bytes that `samples` samples need while they run, readings included.
  virtual std::int64_t EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const = 0;
  // The layers of Reading::statistics, in order.
  virtual const std::vector<SpikingLayer>& spiking_layers() const = 0;
  // Steps of an Advance after which another request may have its turn.
  virtual std::int64_t chunk_steps() const { return kMaxChunkSteps; }
  // Whether a spec with in_one needs less memory than one without, and a stop is still heard in time.
  virtual bool runs_in_one() const { return false; }
  // State for these samples, at step 0. The network must outlive the simulation.
  virtual Result<std::unique_ptr<Simulation>> NewSimulation(const CheckedSpec& spec,
                                                            std::span<const SampleInputs> samples) const = 0;
};

}  // namespace spikeserve::engine
