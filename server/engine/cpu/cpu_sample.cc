#include "server/engine/cpu/cpu_sample.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/neurons.h"
#include "kernels/cpu/population.h"
#include "server/engine/cpu/held_currents.h"
#include "server/engine/cpu/vector_layer.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/run/activity.h"
#include "server/engine/run/input_values.h"

namespace spikeserve::engine {
namespace {

constexpr std::int64_t kLargestByte = 255;

}  // namespace

CpuSample::CpuSample(const CpuRun& run, SampleInputs inputs)
    : layers_(run.plan->layers.size()), readout_(run) {
  Begin(run, std::move(inputs));
}

void CpuSample::Restart(const CpuRun& run, SampleInputs inputs) {
  readout_.Restart(run);
  done_ = fed_at_ = spikes_ = 0;
  status_ = {};
  Begin(run, std::move(inputs));
}

void CpuSample::Begin(const CpuRun& run, SampleInputs inputs) {
  inputs_ = std::move(inputs);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    LayerState& state = layers_[l];
    math::ForEachState(
        [&layer](bool kept, std::vector<float>& values) {
          values.assign(kept ? Index(layer.size) : 0, 0.0F);
        },
        StatesOf(layer.model), state.neurons);
    state.neurons.voltage = run.constants[l].voltage;
    const bool counted = run.spec.statistics && run.IsSpiking(l);
    state.spikes.assign(counted ? Index(layer.size) : 0, 0);
    state.filters.resize(layer.terms.size());
    state.banks.resize(layer.terms.size());
    state.constant.resize(layer.terms.size());
    for (std::vector<float>& constant : state.constant) {
      constant.clear();
    }
    for (std::size_t t = 0; run.stepped[l] && t < layer.terms.size(); ++t) {
      state.filters[t].assign(run.constants[l].terms[t].filtered ? Index(layer.size) : 0, 0.0F);
      if (run.constants[l].terms[t].general) {
        state.banks[t] = kernels::FilterBank(run.constants[l].terms[t].filter, layer.size);
      }
    }
  }
}

void CpuSample::Prepare(const CpuRun& run, std::span<CpuSample> group, CpuScratch& scratch) {
  std::vector<HeldSample>& held = scratch.vectors.held_samples;
  for (std::size_t l = 0; run.vector_weights != nullptr && l < run.vector_weights->size(); ++l) {
    for (std::size_t t = 0; t < (*run.vector_weights)[l].terms.size(); ++t) {
      const std::int64_t source = run.plan->layers[l].terms[t].population;
      if (!run.IsPrepared(l, t)) {
        continue;
      }
      held.clear();
      for (CpuSample& sample : group) {
        held.push_back({sample.inputs_.data[Index(source)], &sample.layers_[l].constant[t]});
      }
      ComputeHeldCurrents(run, l, t, held, scratch);
    }
  }
}

void CpuSample::Feed(SampleInputs inputs) {
  inputs_ = std::move(inputs);
  fed_at_ = done_;
  for (LayerState& layer : layers_) {
    for (std::vector<float>& constant : layer.constant) {
      constant.clear();
    }
  }
  readout_.Forget();
}

void CpuSample::Advance(const CpuRun& run, std::int64_t steps, CpuScratch& scratch) {
  while (steps > 0 && status_.ok()) {
    const std::int64_t skipped = run.spec.settings.readout.skip_steps - done_;
    const std::int64_t left = skipped > 0 ? std::min(steps, skipped) : steps;
    const std::int64_t chunks = (left + run.chunk - 1) / run.chunk;
    const std::int64_t now = (left + chunks - 1) / chunks;  // evenly: a short chunk costs as many visits
    RunChunk(run, now, scratch);
    done_ += now;
    steps -= now;
  }
}

void CpuSample::RunChunk(const CpuRun& run, std::int64_t steps, CpuScratch& scratch) {
  for (std::size_t input = 0; input < inputs_.data.size(); ++input) {
    if (run.loads[input]) {
      LoadInput(run, static_cast<std::int64_t>(input), steps, scratch);
    }
  }
  for (std::size_t layer = 0; layer < layers_.size() && status_.ok(); ++layer) {
    if (run.stepped[layer] && !RunVector(run, layer, steps, scratch)) {
      RunPlain(run, layer, steps, scratch);
    }
  }
  if (status_.ok()) {
    readout_.StepFolds(run, done_, steps, scratch);
  }
}

// Inputs as float32. Products with uint8 inputs read the bytes themselves, see SourceCurrent.
void CpuSample::LoadInput(const CpuRun& run, std::int64_t input, std::int64_t steps,
                          CpuScratch& scratch) const {
  const Population& population = run.population(input);
  const InputFormat& format = run.spec.inputs[Index(input)];
  const OperationDefinition& operation =
      run.plan->network->definition().operations[Index(population.operation)];
  const auto& definition = std::get<InputOperation>(operation.kind);
  for (std::int64_t step = 0; step < (run.IsHeld(input) ? 1 : steps); ++step) {
    const std::int64_t first = format.per_step ? (done_ - fed_at_ + step) * population.size : 0;
    const std::span<float> values = scratch.Values(input, step);
    ReadInput(definition, format.type, inputs_.data[Index(input)], first, values);
    if (format.encoding) {
      Encode(*format.encoding, run.spec.settings.dt_s, KeyOf(run.spec.settings, inputs_, input),
             done_ + step + 1, values);
    }
  }
}

// False where the plain loops must run the layer.
bool CpuSample::RunVector(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  if (run.vector_weights == nullptr || !(*run.vector_weights)[layer].usable || run.observed[layer]) {
    return false;
  }
  const Layer& plan = run.plan->layers[layer];
  for (std::size_t t = 0; t < plan.terms.size(); ++t) {
    if (run.IsHeld(plan.terms[t].population) && layers_[layer].constant[t].empty() &&
        !TermCurrent(run, layer, t, 0, scratch)) {
      return false;  // the plain loops come to the same end and say so
    }
  }
  const bool ends =
      done_ + steps == run.spec.settings.steps && run.spec.settings.readout.kind != ReadoutKind::kLast;
  return RunVectorLayer(run, layer, {steps, ends}, layers_[layer], readout_.FusedFold(run, plan.population),
                        scratch, spikes_);
}

void CpuSample::RunPlain(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  const Layer& plan = run.plan->layers[layer];
  const bool neurons = plan.kind == LayerKind::kNeuron;
  const bool spiking = neurons && run.population(plan.population).spiking;
  LayerView view{.layer = layer,
                 .total = std::span(scratch.total).first(Index(plan.size)),
                 .voltage = {},
                 .counts = {},
                 .values = {}};
  for (std::int64_t step = 0; step < steps; ++step) {
    if (!SumCurrents(run, layer, step, scratch) || (neurons && !StepNeurons(run, layer, step, scratch))) {
      Fail(run, layer);
      return;
    }
    view.voltage = layers_[layer].neurons.voltage;
    if (spiking) {
      view.counts = scratch.Counts(plan.population, step);
    } else if (neurons) {
      view.values = scratch.Values(plan.population, step);
    }
    readout_.StepLayer(run, view, scratch.output);
  }
}

// Leaves what all terms of the layer contribute at this step in scratch.total.
bool CpuSample::SumCurrents(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch) {
  const std::size_t size = Index(run.plan->layers[layer].size);
  const std::span<float> total = std::span(scratch.total).first(size);
  const std::span<float> current = std::span(scratch.current).first(size);
  std::fill(total.begin(), total.end(), 0.0F);
  for (std::size_t t = 0; t < layers_[layer].filters.size(); ++t) {
    if (!TermCurrent(run, layer, t, step, scratch)) {
      return false;
    }
    const TermConstants& constants = run.constants[layer].terms[t];
    if (constants.filtered) {
      kernels::AddFiltered(current, constants.decay, layers_[layer].filters[t], total);
      continue;
    }
    if (constants.general) {
      layers_[layer].banks[t].Step(current);
    }
    kernels::Add(current, total);
  }
  return true;
}

// Leaves what the term contributes before its filter in scratch.current. False where a sum might not be
// exact.
bool CpuSample::TermCurrent(const CpuRun& run, std::size_t layer, std::size_t index, std::int64_t step,
                            CpuScratch& scratch) {
  const Term& term = run.plan->layers[layer].terms[index];
  const TermConstants& constants = run.constants[layer].terms[index];
  const std::span<float> current = std::span(scratch.current).first(Index(run.plan->layers[layer].size));
  std::vector<float>& constant = layers_[layer].constant[index];
  if (!constant.empty()) {
    std::copy(constant.begin(), constant.end(), current.begin());
    return true;
  }
  if (!SourceCurrent(run, term, constants, step, scratch, current)) {
    return false;
  }
  if (!constants.offset.empty()) {
    kernels::Add(constants.offset, current);
  }
  if (run.IsHeld(term.population)) {
    constant.assign(current.begin(), current.end());
  }
  return true;
}

bool CpuSample::SourceCurrent(const CpuRun& run, const Term& term, const TermConstants& constants,
                              std::int64_t step, CpuScratch& scratch, std::span<float> current) const {
  const std::int64_t source = term.population;
  const Population& population = run.population(source);
  if (population.spiking) {
    return IntegerCurrent(term.product, constants.scale, scratch.Counts(source, step),
                          scratch.Largest(source, step), scratch.currents, current);
  }
  if (run.IsBytes(source)) {
    const std::byte* data = inputs_.data[Index(source)];
    data += run.IsHeld(source) ? 0 : (done_ - fed_at_ + step) * population.size;
    const std::span<std::int32_t> bytes = std::span(scratch.bytes).first(Index(population.size));
    std::transform(data, data + population.size, bytes.begin(), std::to_integer<std::int32_t>);
    return IntegerCurrent(term.product, constants.scale, bytes, kLargestByte, scratch.currents, current);
  }
  FloatCurrent(term.product, term.product.floats, constants.scale, scratch.Values(source, step),
               scratch.currents, current);
  return true;
}

// False where a spike count left its range.
bool CpuSample::StepNeurons(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch) {
  const Layer& plan = run.plan->layers[layer];
  const LayerConstants& constants = run.constants[layer];
  LayerState& state = layers_[layer];
  const std::span<const float> sum = std::span(scratch.total).first(Index(plan.size));
  const NeuronConstants& neurons = constants.neurons;
  kernels::NeuronStates states;
  math::ForEachState([](std::span<float>& to, std::vector<float>& values) { to = values; }, states,
                     state.neurons);
  std::span<const float> input = sum;
  if (neurons.rate) {
    const std::span<float> rates =
        neurons.spikes ? std::span(scratch.output).first(sum.size()) : scratch.Values(plan.population, step);
    kernels::StepRates(*neurons.rate, sum, constants.bias, states, rates);
    input = rates;
  }
  if (!neurons.spikes) {
    return true;
  }
  const std::span<std::int32_t> counts = scratch.WriteCounts(plan.population, step);
  const kernels::StepResult result =
      kernels::StepSpikes(*neurons.spikes, input, constants.bias, states,
                          DrawsOf(run.spec, inputs_.index, plan.operation, done_ + step), counts);
  scratch.Largest(plan.population, step) = result.largest;
  if (neurons.is_signed) {
    CountMagnitudes(counts, state);
  } else {
    spikes_ += result.spikes;
    std::transform(state.spikes.begin(), state.spikes.end(), counts.begin(), state.spikes.begin(),
                   std::plus<>());
  }
  return result.in_range;
}

// A negative spike is a spike.
void CpuSample::CountMagnitudes(std::span<const std::int32_t> counts, LayerState& state) {
  for (std::size_t j = 0; j < counts.size(); ++j) {
    const std::int64_t magnitude = std::abs(static_cast<std::int64_t>(counts[j]));
    spikes_ += magnitude;
    if (!state.spikes.empty()) {
      state.spikes[j] += magnitude;
    }
  }
}

std::vector<LayerActivity> CpuSample::Activity(const CpuRun& run) const {
  std::vector<LayerActivity> activity;
  for (const std::int64_t layer : run.plan->spiking_layers) {
    const std::int64_t population = run.plan->layers[Index(layer)].population;
    activity.push_back(Summarise(layers_[Index(layer)].spikes, run.plan->fan_out[Index(population)]));
  }
  return activity;
}

void CpuSample::Fail(const CpuRun& run, std::size_t layer) {
  const auto& operations = run.plan->network->definition().operations;
  status_ = OutOfRange("layer '" + operations[Index(run.plan->layers[layer].operation)].name +
                       "': spike counts or currents left the range in which sums are exact (fewer than 2^24 "
                       "spikes per neuron and step); lower the inputs, gains or dt");
}

}  // namespace spikeserve::engine
