#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "server/engine/run/simulation.h"
#include "tests/support/run.h"

// Small random networks that use everything the engine has, for property tests.
namespace spikeserve::testing {

struct RandomNetwork {
  engine::NetworkDefinition definition;
  engine::SimulationSpec spec;  // all probes, a random readout, dt and steps
};

// The network of this seed: one or two inputs (float32, float64 or uint8, held or per step), a few stages of
// linear operations and neurons with branches, synapses on some connections, probes of every kind.
// Only what every backend has.
RandomNetwork MakeRandomNetwork(std::uint64_t seed);

// The same with neuron models and synapses of every kind, and delays.
RandomNetwork MakeRichNetwork(std::uint64_t seed);

// The same, most of whose neurons have memory, with delays and few synapses. Only the output is probed.
RandomNetwork MakeMemoryNetwork(std::uint64_t seed);

// Samples that fit it.
std::vector<Sample> RandomSamples(const RandomNetwork& network, std::int64_t count, std::uint64_t seed);

}  // namespace spikeserve::testing
