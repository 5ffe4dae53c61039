#pragma once

#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "tests/support/random.h"

namespace spikeserve::testing {

// The output of an operation while a random network grows.
struct Signal {
  std::string name;
  engine::Shape shape;
  bool population = false;  // an Input or Neuron, whose connections may have a synapse
  double level = 1;         // the usual size of a value
};

// Adds random linear operations to a definition, keeping the size of the values about the same.
// One thread.
class RandomLinear {
 public:
  // `rich`: synapses of every kind and delays, else low-passes alone. `pure`: few synapses, and delays.
  RandomLinear(Random& random, engine::NetworkDefinition& definition, bool rich, bool pure = false)
      : random_(random), definition_(definition), rich_(rich), pure_(pure) {}

  // One operation on `source`, or on it and another of the signals where it joins.
  Signal Add(const Signal& source, const std::vector<Signal>& signals);
  // An Affine with `out` outputs.
  Signal Affine(const Signal& source, std::int64_t out);
  // A new operation behind `sources`.
  Signal Operation(engine::OperationKind kind, engine::Shape shape, const std::vector<Signal>& sources);
  // A new tensor of values in [-limit, limit]; returns its id.
  std::string Tensor(engine::Shape shape, double limit);

 private:
  Signal Conv(const Signal& source);
  Signal Pool(const Signal& source);
  Signal ScaleShift(const Signal& source);
  Signal Join(const Signal& source, const std::vector<Signal>& signals);
  Signal Permute(const Signal& source);
  Signal Pad(const Signal& source);
  std::int64_t SlideAxis(std::int64_t extent, std::int64_t kernel, std::int64_t dilation,
                         std::vector<std::int64_t>& stride, std::vector<std::int64_t>& before,
                         std::vector<std::int64_t>& after);

  Random& random_;
  engine::NetworkDefinition& definition_;
  const bool rich_;
  const bool pure_;
};

}  // namespace spikeserve::testing
