#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/math/filter_constants.h"
#include "server/engine/cuda/layout/weights.h"
#include "server/engine/network/index.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/closed_form.h"
#include "server/engine/run/layer_use.h"

namespace spikeserve::engine {

// How what a population emits is used in one run.
struct CudaPopulation {
  bool stored = false;           // a product, fold or probe reads it from memory
  bool as_values = false;        // of a uint8 input: read as floats too
  bool held = false;             // an input that does not vary in time
  bool bytes = false;            // a uint8 input that is read as bytes
  bool encoded = false;          // an input that becomes spikes on the device, group by group
  std::int32_t count_limit = 0;  // of a spiking one: larger counts need the wide program
  // The fold that its scan does on the way: probe of the spec and term. -1: none.
  std::int64_t fused_probe = -1;
  std::size_t fused_term = 0;
  // Of a layer in closed form: products read digits of its counts as they are.
  bool read_as_digits = false;
};

using CudaFilterConstants = std::shared_ptr<const kernels::FilterConstants>;

// What a network and a specification decide before there is a device: how the layers are used, who reads
// what.
struct CudaRun : LayerUse {
  // `plan` and `weights` outlive the run.
  CudaRun(const Plan& plan, const CudaWeights& weights, CheckedSpec spec);

  const Layer& probed_layer(std::size_t index) const { return plan->layers[Index(probe(index).layer)]; }
  // Whether a probe reads every step of the layer, and its voltage then.
  bool IsProbed(std::size_t layer, bool voltage) const;
  // Whether a probe of the layer has a general filter.
  bool HasProbeFilter(std::size_t layer) const;
  // The same for probes of the request.
  bool IsRecorded(std::size_t layer, ProbeQuantity quantity) const;
  // Whether random numbers are drawn, which depend on a sample's place in its request.
  bool Draws() const;

  // Whether the layer is run in closed form: then it is not stepped. Whether any is, or the one that emits a
  // population.
  bool IsClosed(std::size_t layer) const { return closed_layers[layer].closed(); }
  bool HasClosed() const;
  bool IsClosedPopulation(std::int64_t index) const {
    return population(index).layer >= 0 && IsClosed(Index(population(index).layer));
  }
  // Of a term of a layer in closed form: whether it reads integers, and whether these are summed up over all
  // steps.
  bool IsWhole(std::size_t layer, std::size_t term) const;
  bool HasTotals(std::size_t layer, std::size_t term) const;
  // The same of values: what they bring is rounded step by step.
  bool IsRounded(std::size_t layer, std::size_t term) const;
  // Whose digits a term's product reads: those of a population, or cells of its own; in
  // [0, operand_count).
  std::size_t OperandOf(std::size_t layer, std::size_t term) const;

  const CudaWeights* weights;
  std::vector<ClosedLayer> closed_layers;  // [layer]
  std::size_t operand_count = 0;
  bool takes_steps = true;  // something is computed or comes in at every step
  std::vector<CudaPopulation> populations;
  // Of terms [layer][term] and probes [probe of the spec] whose synapse or delay is not simple; else null.
  std::vector<std::vector<CudaFilterConstants>> term_filters;
  std::vector<CudaFilterConstants> probe_filters;

 private:
  void MakeFilters();
  void MarkInputs();
  void MarkReaders();
  void MarkFolds();
  void MarkClosed();

  std::vector<std::vector<std::size_t>> operands_;  // [layer][term]
};

// Equal for specifications that run the same way on the same number of samples, whatever the inputs hold and
// wherever the neurons start.
std::string SpecKey(const SimulationSpec& spec);

}  // namespace spikeserve::engine
