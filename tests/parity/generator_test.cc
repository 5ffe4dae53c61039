// The random networks of the property tests have to hold what the properties are about.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "tests/support/count_readers.h"
#include "tests/support/random_network.h"

namespace spikeserve::testing {
namespace {

// How often each part turned up.
using Tally = std::map<std::string, int>;

void CountParts(const RandomNetwork& network, Tally& tally) {
  for (const engine::OperationDefinition& operation : network.definition.operations) {
    ++tally["kind " + std::to_string(operation.kind.index())];
    if (const auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind)) {
      ++tally["model " + std::to_string(neuron->model.index())];
      if (neuron->initial_voltage) {
        ++tally["voltage " + std::to_string(neuron->initial_voltage->index())];
      }
    }
    if (const auto* conv = std::get_if<engine::ConvOperation>(&operation.kind)) {
      ++tally["conv axes " + std::to_string(conv->stride.size())];
      tally["groups"] += conv->groups > 1 ? 1 : 0;
      tally["stride"] += *std::max_element(conv->stride.begin(), conv->stride.end()) > 1 ? 1 : 0;
      tally["dilation"] += *std::max_element(conv->dilation.begin(), conv->dilation.end()) > 1 ? 1 : 0;
      tally["padding"] += *std::max_element(conv->pad_before.begin(), conv->pad_before.end()) > 0 ? 1 : 0;
    }
  }
  for (const engine::ConnectionDefinition& connection : network.definition.connections) {
    tally["synapse"] += connection.synapse ? 1 : 0;
  }
  for (const engine::ProbeDefinition& probe : network.definition.probes) {
    ++tally["quantity " + std::to_string(static_cast<int>(probe.quantity))];
    tally["filtered probe"] += probe.synapse ? 1 : 0;
  }
  for (const engine::InputFormat& format : network.spec.inputs) {
    ++tally["type " + std::to_string(static_cast<int>(format.type))];
    tally["per step"] += format.per_step ? 1 : 0;
  }
}

void CountActivity(RandomNetwork network, Tally& tally) {
  network.spec.trajectories = true;
  const std::vector<Sample> samples = RandomSamples(network, 1, 1);
  const engine::Reading reading =
      Simulate(Load(network.definition, engine::Mode::kReference), network.spec, samples);
  for (const engine::LayerActivity& activity : reading.statistics.at(0)) {
    ++tally[activity.spikes > 0 ? "busy layer" : "silent layer"];
    tally["synaptic operations"] += activity.synaptic_operations > 0 ? 1 : 0;
  }
  for (std::size_t p = 0; p < reading.probes.size(); ++p) {
    if (network.definition.probes[p].quantity == engine::ProbeQuantity::kSpikes) {
      const std::vector<double>& counts = reading.probes[p].trajectory;
      tally["several spikes per step"] += *std::max_element(counts.begin(), counts.end()) > 1 ? 1 : 0;
    }
  }
}

TEST(RandomNetworks, HaveEveryPart) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const RandomNetwork network = MakeRandomNetwork(seed);
    CountParts(network, tally);
    CountActivity(network, tally);
  }
  for (std::size_t kind = 1; kind < std::variant_size_v<engine::OperationKind>; ++kind) {
    if (kind != engine::OperationKind(engine::ProductOperation{}).index()) {  // of neurons with memory
      EXPECT_GE(tally["kind " + std::to_string(kind)], 5) << kind;
    }
  }
  for (const char* part : {"model 1",
                           "model 2",
                           "model 3",
                           "model 4",
                           "voltage 0",
                           "voltage 1",
                           "voltage 2",
                           "voltage 3",
                           "conv axes 1",
                           "conv axes 2",
                           "groups",
                           "stride",
                           "dilation",
                           "padding",
                           "synapse",
                           "quantity 1",
                           "quantity 2",
                           "quantity 3",
                           "filtered probe",
                           "type 1",
                           "type 2",
                           "type 3",
                           "per step",
                           "silent layer",
                           "several spikes per step",
                           "synaptic operations"}) {
    EXPECT_GE(tally[part], 5) << part;
  }
  EXPECT_GE(tally["busy layer"], 60);
}

TEST(RandomNetworks, RichOnesHaveEveryModelAndSynapse) {
  Tally tally;
  for (std::uint64_t seed = 61; seed <= 140; ++seed) {
    const RandomNetwork network = MakeRichNetwork(seed);
    CountParts(network, tally);
    for (const engine::ConnectionDefinition& connection : network.definition.connections) {
      if (connection.synapse) {
        ++tally["synapse " + std::to_string(connection.synapse->index())];
      }
      tally["delay"] += connection.delay_steps > 0 ? 1 : 0;
    }
    for (const engine::ProbeDefinition& probe : network.definition.probes) {
      tally["delayed probe"] += probe.delay_steps > 0 ? 1 : 0;
    }
  }
  CountParts(MakeMemoryNetwork(1), tally);  // neurons with memory have networks of their own
  constexpr std::size_t kFirst = 5;         // behind the models of plain networks
  for (std::size_t model = kFirst; model < std::variant_size_v<engine::NeuronModel>; ++model) {
    EXPECT_GE(tally["model " + std::to_string(model)], 1) << model;
  }
  for (std::size_t kind = 0; kind < std::variant_size_v<engine::SynapseKind>; ++kind) {
    EXPECT_GE(tally["synapse " + std::to_string(kind)], 5) << kind;
  }
  EXPECT_GE(tally["delay"], 5);
  EXPECT_GE(tally["delayed probe"], 5);
}

TEST(RandomNetworks, AreTheSameForTheSameSeed) {
  const RandomNetwork first = MakeRandomNetwork(5);
  const RandomNetwork second = MakeRandomNetwork(5);
  ASSERT_EQ(first.definition.tensors.size(), second.definition.tensors.size());
  for (std::size_t i = 0; i < first.definition.tensors.size(); ++i) {
    EXPECT_EQ(first.definition.tensors[i].data, second.definition.tensors[i].data);
  }
  EXPECT_EQ(RandomSamples(first, 2, 1)[1].inputs, RandomSamples(second, 2, 1)[1].inputs);
}

TEST(RandomNetworks, WithCountReadersHaveSomeOfEachKind) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const RandomNetwork network = WithCountReaders(MakeMemoryNetwork(seed), seed);
    for (const engine::OperationDefinition& operation : network.definition.operations) {
      const auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind);
      tally["maximum"] += engine::IsMaximum(operation.kind) ? 1 : 0;
      tally["product"] += std::holds_alternative<engine::ProductOperation>(operation.kind) ? 1 : 0;
      tally["function"] +=
          neuron != nullptr && std::holds_alternative<engine::MemoryFunction>(neuron->model) ? 1 : 0;
    }
  }
  for (const char* part : {"maximum", "product", "function"}) {
    EXPECT_GE(tally[part], 20) << part;
  }
}

}  // namespace
}  // namespace spikeserve::testing
