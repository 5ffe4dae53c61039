#pragma once

#include <cstdint>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::engine {

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

}  // namespace spikeserve::engine
