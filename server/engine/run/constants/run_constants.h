#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/math/filter_constants.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/memory_constants.h"
#include "server/engine/run/constants/neuron_constants.h"

namespace spikeserve::engine {

// What a term multiplies and adds at one dt.
struct TermConstants {
  bool filtered = false;  // by a plain low-pass
  bool general = false;   // by `filter` instead, which scale knows nothing of
  std::shared_ptr<const kernels::FilterConstants> filter;  // where general
  float decay = 0;                                         // a = exp(-dt/tau)
  std::vector<float> scale;          // per row: turns sums into currents, with gain, dt, amplitude and (1-a)
  std::vector<float> readout_scale;  // the same for filtered source values, as the readout rewrite sums them
  std::vector<float> offset;         // per row: what uint8_offset adds; empty: nothing
  bool integers = false;             // the source is counted: spikes, or the bytes of an input
};

// What a layer needs at one dt, as float32. Immutable.
struct LayerConstants {
  std::vector<TermConstants> terms;
  std::vector<float> bias;     // with gain and dt
  std::vector<float> voltage;  // at step 0
  NeuronConstants neurons;
  MemoryConstants memory;  // of neurons with memory
  float spike_height = 0;  // amplitude / dt
  float current_unit = 1;  // what J is multiplied by in scale and bias
};

// Whether the layer's products read the bytes of a population, which is an input then.
bool ReadsBytes(const Plan& plan, const Layer& layer, std::int64_t population, const SimulationSpec& spec);

// The filter of a request probe.
ProbeRecorder::Filter RecorderFilter(const RequestProbe& probe, double dt_s);

// What the neurons of a layer start from; empty where they have no voltage.
std::vector<float> StartVoltages(const Plan& plan, const Layer& layer, const RunSettings& settings);

// Constants of every layer of the plan for this run.
std::vector<LayerConstants> MakeConstants(const Plan& plan, const SimulationSpec& spec);

}  // namespace spikeserve::engine
