#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/network/network_definition.h"

// Short ways to write small networks in tests.
namespace spikeserve::testing {

template <typename T>
engine::TensorDefinition TensorOf(std::string id, engine::Shape shape, const std::vector<T>& values,
                                  engine::DataType type) {
  engine::TensorDefinition tensor{std::move(id), std::move(shape), type, {}};
  tensor.data.resize(values.size() * sizeof(T));
  std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
  return tensor;
}

inline engine::TensorDefinition Tensor(std::string id, engine::Shape shape,
                                       const std::vector<float>& values) {
  return TensorOf(std::move(id), std::move(shape), values, engine::DataType::kFloat32);
}
inline engine::TensorDefinition Tensor64(std::string id, engine::Shape shape,
                                         const std::vector<double>& values) {
  return TensorOf(std::move(id), std::move(shape), values, engine::DataType::kFloat64);
}

// input [2] -> affine [3 x 2] -> integrate-and-fire -> affine [1 x 3], probed.
inline engine::NetworkDefinition SmallMlp() {
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"input", engine::InputOperation{{2}, {}, {}}},
                        {"dense", engine::AffineOperation{"w0", "b0"}},
                        {"spikes", engine::NeuronOperation{engine::IntegrateAndFire{1.0}, {}, {}, {}}},
                        {"output", engine::AffineOperation{"w1", ""}}};
  network.connections = {{"input", "dense", {}}, {"dense", "spikes", {}}, {"spikes", "output", {}}};
  network.probes = {{"output", "output", engine::ProbeQuantity::kOutput, {}}};
  network.tensors = {Tensor("w0", {3, 2}, {1, 2, -1, 0.5F, 4, -8}), Tensor("b0", {3}, {10, 0, -5}),
                     Tensor("w1", {1, 3}, {1, -2, 0.25F})};
  return network;
}

// input [shape] -> operation "op", probed. Tensors are the caller's to add.
inline engine::NetworkDefinition SingleOperation(engine::OperationKind kind, engine::Shape shape) {
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"input", engine::InputOperation{std::move(shape), {}, {}}}, {"op", std::move(kind)}};
  network.connections = {{"input", "op", {}}};
  network.probes = {{"output", "op", engine::ProbeQuantity::kOutput, {}}};
  return network;
}

}  // namespace spikeserve::testing
