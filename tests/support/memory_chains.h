#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "server/engine/run/simulation_spec.h"
#include "tests/support/definitions.h"

// Small chains of neurons with memory whose numbers come close to the ends of their range.
namespace spikeserve::testing {

inline engine::NetworkDefinition ChainOf(std::vector<engine::OperationDefinition> operations) {
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = std::move(operations);
  for (std::size_t i = 1; i < network.operations.size(); ++i) {
    network.connections.push_back({network.operations[i - 1].name, network.operations[i].name, {}});
  }
  network.probes = {{"output", network.operations.back().name, engine::ProbeQuantity::kOutput, {}}};
  return network;
}

inline engine::NeuronOperation Remembering(double gain) {
  return {engine::MemoryRectifiedLinear{}, gain, {}, engine::ConstantVoltage{0.5}};
}

inline engine::SimulationSpec OfBytes(std::int64_t steps) {
  engine::SimulationSpec spec;
  spec.settings.steps = steps;
  spec.inputs = {{.type = engine::DataType::kUint8}};
  spec.probes = {0};
  return spec;
}

// Bytes of 3 by 3 pixels: a neuron sends so much that sums under the window take more than 30 bits.
inline engine::NetworkDefinition LargeCounts() {
  engine::NetworkDefinition network = ChainOf(
      {{"input", engine::InputOperation{{3, 3, 1}, 1.0, {}}},
       {"first", Remembering(9e8)},
       {"pool", engine::PoolOperation{engine::PoolKind::kAverage, {3, 3}, {3, 3}, {0, 0}, {0, 0}, false}},
       {"flat", engine::ReshapeOperation{{1}}},
       {"second", Remembering(1e-6)},
       {"output", engine::AffineOperation{"w", ""}}});
  network.tensors = {Tensor("w", {1, 1}, {1})};
  return network;
}

// What two bytes bring is little beside what this offset does.
inline engine::NetworkDefinition LargeOffset(double offset) {
  engine::NetworkDefinition network = ChainOf({{"input", engine::InputOperation{{2}, 1.0, offset}},
                                               {"dense", engine::AffineOperation{"w0", ""}},
                                               {"first", Remembering(300)},
                                               {"output", engine::AffineOperation{"w1", ""}}});
  network.tensors = {Tensor("w0", {3, 2}, {1, 2, 1, 0.5F, 4, 8}), Tensor("w1", {1, 3}, {1, -2, 0.25F})};
  return network;
}

}  // namespace spikeserve::testing
