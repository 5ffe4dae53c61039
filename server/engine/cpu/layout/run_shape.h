#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/cpu/layout/vector_weights.h"
#include "server/engine/network/index.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/closed_form.h"
#include "server/engine/run/layer_use.h"
#include "server/engine/run/layers.h"

namespace spikeserve::engine {

// Samples whose inputs meet the weights together, and whose state is alive at a time.
constexpr std::int64_t kGroupSamples = 24;

// What decides which buffers a run has: how it uses the layers, who is held. Cheap to make, unlike constants.
// Immutable, hence thread-safe.
struct RunShape : LayerUse {
  // `of_plan` and `vectors` (null: the plain loops only) outlive the shape.
  RunShape(const Plan& of_plan, const VectorWeights* vectors, CheckedSpec of_spec);

  const VectorWeights* vector_weights;
  std::vector<ClosedLayer> closed_layers;  // [layer]
  // [layer]: the same with those whose steps are wanted, but are computed from all that they have received by
  // each step, steps of a chunk beside each other: they have age 0 alone.
  std::vector<ClosedLayer> passes;
  std::int64_t chunk = 1;  // steps per pass over the layers
  std::int64_t group = kGroupSamples;

  // Whether the layer is run in closed form; whether the one is that emits a population.
  bool IsClosed(std::size_t layer) const { return closed_layers[layer].closed(); }
  bool StepsByPasses(std::size_t layer) const { return passes[layer].closed() && !IsClosed(layer); }
  // Samples, or steps of one, whose counts meet the weights together.
  std::int64_t PassGroup() const;
  // Whether what a layer with memory receives is added up step by step, from some source.
  bool ReceivesSteps(std::size_t layer) const;
  bool IsClosedPopulation(std::int64_t index) const {
    return population(index).layer >= 0 && IsClosed(Index(population(index).layer));
  }
  // A uint8 input that is not encoded: its values are integers.
  bool IsBytes(std::int64_t index) const {
    return population(index).layer < 0 && HasByteValues(spec->inputs[Index(index)]);
  }
  bool IsHeld(std::int64_t index) const { return IsHeldInput(*plan, *spec, index); }
  // Whether it is held, or may be with the next inputs of a session.
  bool MayBeHeld(std::int64_t index) const {
    return IsHeld(index) || (spec->session && population(index).layer < 0);
  }
  // The vector kernels compute what a held input causes through this term before the first step.
  bool IsPrepared(std::size_t layer, std::size_t term) const {
    return IsVector(layer) && !(*vector_weights)[layer].terms[term].empty() &&
           IsHeld(plan->layers[layer].terms[term].population);
  }
  // Whether a readout takes sums of dense products alone, of cells as they are: those of some samples that
  // are read at the same step are computed together.
  bool IsReadTogether(std::size_t probe) const;
  // What the FilterBank of a general filter takes; 0 of a simple one.
  std::int64_t FilterBytes(const Synapse& synapse, std::int64_t delay_steps, std::int64_t size) const;
  // Whether the vector kernels can run the layer.
  bool IsVector(std::size_t layer) const {
    return vector_weights != nullptr && (*vector_weights)[layer].usable;
  }
};

}  // namespace spikeserve::engine
