#include "server/engine/cpu/cpu_sample.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/neurons.h"
#include "kernels/cpu/population.h"
#include "kernels/math/activation.h"
#include "server/base/overloaded.h"
#include "server/engine/cpu/currents.h"
#include "server/engine/cpu/held_currents.h"
#include "server/engine/cpu/vector_layer.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/run/activity.h"
#include "server/engine/run/input_values.h"
#include "server/engine/run/sample_answers.h"

namespace spikeserve::engine {
namespace {

std::int64_t BytesOf(const RunShape& run) {
  CpuArena arena;
  LayOutLayers(run, arena);
  return arena.used();
}

void Activate(const ActivationLayer& layer, std::span<float> values) {
  if (const auto* leaky = std::get_if<LeakyRelu>(&layer.activation.kind)) {
    const auto slope = static_cast<float>(leaky->negative_slope);
    std::transform(values.begin(), values.end(), values.begin(),
                   [slope](float value) { return math::LeakyRelu(value, slope); });
    return;
  }
  for (std::size_t first = 0; first < values.size(); first += Index(layer.row)) {
    math::Softmax(values.data() + first, layer.row);
  }
}

}  // namespace

CpuSample::CpuSample(const CpuRun& run, SampleInputs inputs) : memory_(BytesOf(run)), readout_(run) {
  CpuArena arena(memory_.data());
  layers_ = LayOutLayers(run, arena);
  Begin(run, std::move(inputs));
}

std::int64_t CpuSample::Bytes(const RunShape& run) {
  constexpr std::int64_t kBytes = 1024 + sizeof(CpuSample);  // the object and what allocations add
  CpuArena arena;
  LayOutLayers(run, arena);
  CpuReadout::Count(run, arena);
  return kBytes + arena.total();
}

void CpuSample::Restart(const CpuRun& run, SampleInputs inputs) {
  readout_.Restart(run);
  done_ = fed_at_ = spikes_ = settled_ = closed_spikes_ = 0;
  status_ = {};
  Begin(run, std::move(inputs));
}

void CpuSample::Begin(const CpuRun& run, SampleInputs inputs) {
  inputs_ = std::move(inputs);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    LayerState& state = layers_[l];
    const LayerConstants& constants = run.constants[l];
    math::ForEachState([](std::span<float> values) { std::fill(values.begin(), values.end(), 0.0F); },
                       state.neurons);
    std::copy(constants.voltage.begin(), constants.voltage.end(), state.neurons.voltage.begin());
    for (const std::span<std::int64_t> whole : {state.spikes, state.received, state.sent}) {
      std::fill(whole.begin(), whole.end(), 0);
    }
    for (std::size_t t = 0; t < state.terms.size(); ++t) {
      TermState& term = state.terms[t];
      term.known = false;
      std::fill(term.filter.begin(), term.filter.end(), 0.0F);
      std::fill(term.delayed.begin(), term.delayed.end(), 0);
      std::fill(term.totals.begin(), term.totals.end(), 0);
      if (run.stepped[l] && constants.terms[t].general) {
        term.bank = kernels::FilterBank(constants.terms[t].filter, run.plan->layers[l].size);
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
        held.push_back({sample.inputs_.data[Index(source)], &sample.layers_[l].terms[t]});
      }
      ComputeHeldCurrents(run, l, t, held, scratch);
    }
  }
}

void CpuSample::Feed(SampleInputs inputs) {
  inputs_ = std::move(inputs);
  fed_at_ = done_;
  for (LayerState& layer : layers_) {
    for (TermState& term : layer.terms) {
      term.known = false;
    }
  }
  readout_.Forget();
}

void CpuSample::Advance(const CpuRun& run, std::int64_t steps, CpuScratch& scratch) {
  while (steps > 0 && status_.ok()) {
    const std::int64_t skipped = run.spec->settings.readout.skip_steps - done_;
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
    if (run.IsClosed(layer)) {
      if (!RunClosed(run, layer, steps, scratch)) {
        Fail(run, layer);
      }
    } else if (run.stepped[layer] && !RunPasses(run, layer, steps, scratch) &&
               !RunVector(run, layer, steps, scratch)) {
      RunPlain(run, layer, steps, scratch);
    }
  }
  if (status_.ok() && done_ + steps == run.spec->settings.readout.skip_steps) {
    SettleAt(run, done_ + steps, std::span(this, 1), scratch);
  }
  if (status_.ok()) {
    readout_.StepFolds(run, done_, steps, scratch);
  }
}

// Inputs as float32. Products with uint8 inputs read the bytes themselves, see SourceCurrent.
void CpuSample::LoadInput(const CpuRun& run, std::int64_t input, std::int64_t steps,
                          CpuScratch& scratch) const {
  const Population& population = run.population(input);
  const InputFormat& format = run.spec->inputs[Index(input)];
  const OperationDefinition& operation =
      run.plan->network->definition().operations[Index(population.operation)];
  const auto& definition = std::get<InputOperation>(operation.kind);
  for (std::int64_t step = 0; step < (run.IsHeld(input) ? 1 : steps); ++step) {
    const std::int64_t first = format.per_step ? (done_ - fed_at_ + step) * population.size : 0;
    const std::span<float> values = scratch.Values(input, step);
    ReadInput(definition, format.type, inputs_.data[Index(input)], first, values);
    if (format.encoding) {
      Encode(*format.encoding, run.spec->settings.dt_s, KeyOf(run.spec->settings, inputs_, input),
             done_ + step + 1, values);
    }
  }
}

// False where the plain loops must run the layer.
bool CpuSample::RunVector(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  if (!run.IsVector(layer) || run.observed[layer]) {
    return false;
  }
  const Layer& plan = run.plan->layers[layer];
  for (std::size_t t = 0; t < plan.terms.size(); ++t) {
    if (run.IsHeld(plan.terms[t].population) && !layers_[layer].terms[t].known &&
        !TermCurrent(run, layer, t, 0, scratch)) {
      return false;  // the plain loops come to the same end and say so
    }
  }
  const bool ends =
      done_ + steps == run.spec->settings.steps && run.spec->settings.readout.kind != ReadoutKind::kLast;
  return RunVectorLayer(run, layer, {steps, ends}, layers_[layer], readout_.FusedFold(run, plan.population),
                        scratch, spikes_);
}

void CpuSample::RunPlain(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  LayerView view{.layer = layer,
                 .total = scratch.total.first(Index(run.plan->layers[layer].size)),
                 .voltage = layers_[layer].neurons.voltage,
                 .counts = {},
                 .values = {}};
  for (std::int64_t step = 0; step < steps; ++step) {
    if (!Receive(run, layer, step, scratch) || !StepKind(run, step, scratch, view)) {
      Fail(run, layer);
      return;
    }
    readout_.StepLayer(run, view, scratch.output);
  }
}

// What all terms of the layer bring at this step. False where it might not be exact.
bool CpuSample::Receive(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch) {
  if (ReadsCounts(run.plan->layers[layer])) {
    TakeCounts(run, layer, step, scratch);
    return true;
  }
  return run.constants[layer].neurons.remembers ? SumCharges(run, layer, step, scratch)
                                                : SumCurrents(run, layer, step, scratch);
}

// Leaves what all terms of the layer contribute at this step in scratch.total.
bool CpuSample::SumCurrents(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch) {
  const std::size_t size = Index(run.plan->layers[layer].size);
  const std::span<float> total = scratch.total.first(size);
  const std::span<float> current = scratch.current.first(size);
  std::fill(total.begin(), total.end(), 0.0F);
  for (std::size_t t = 0; t < layers_[layer].terms.size(); ++t) {
    if (!TermCurrent(run, layer, t, step, scratch)) {
      return false;
    }
    const TermConstants& constants = run.constants[layer].terms[t];
    if (constants.filtered) {
      kernels::AddFiltered(current, constants.decay, layers_[layer].terms[t].filter, total);
      continue;
    }
    if (constants.general) {
      layers_[layer].terms[t].bank.Step(current);
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
  const std::span<float> current = scratch.current.first(Index(run.plan->layers[layer].size));
  TermState& state = layers_[layer].terms[index];
  if (state.known) {
    std::copy(state.constant.begin(), state.constant.end(), current.begin());
    return true;
  }
  if (!SourceCurrent(run, term, constants, step, scratch, current)) {
    return false;
  }
  if (!constants.offset.empty()) {
    kernels::Add(constants.offset, current);
  }
  if (run.IsHeld(term.population)) {
    std::copy(current.begin(), current.end(), state.constant.begin());
    state.known = true;
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
  if (constants.integers) {
    return IntegerCurrent(term.product, constants.scale, ReadBytes(run, source, step, scratch), kLargestByte,
                          scratch.currents, current);
  }
  FloatCurrent(term.product, term.product.floats, constants.scale, scratch.Values(source, step),
               scratch.currents, current);
  return true;
}

std::span<const std::int32_t> CpuSample::ReadBytes(const CpuRun& run, std::int64_t input, std::int64_t step,
                                                   CpuScratch& scratch) const {
  const std::int64_t size = run.population(input).size;
  const std::byte* data = inputs_.data[Index(input)];
  data += run.IsHeld(input) ? 0 : (done_ - fed_at_ + step) * size;
  const std::span<std::int32_t> bytes = scratch.bytes.first(Index(size));
  std::transform(data, data + size, bytes.begin(), std::to_integer<std::int32_t>);
  return bytes;
}

// What the layer makes of its sum, by its kind. False where a spike count left its range.
bool CpuSample::StepKind(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view) {
  const std::span<float> output = scratch.current.first(view.total.size());
  const auto add_bias = [&] {
    const std::vector<float>& bias = run.constants[view.layer].bias;
    std::transform(view.total.begin(), view.total.end(), bias.begin(), output.begin(), std::plus<>());
    view.values = output;
    return true;
  };
  return std::visit(Overloaded{[&](const NeuronLayer&) { return StepNeurons(run, step, scratch, view); },
                               [&](const LinearLayer&) { return add_bias(); },
                               [&](const ActivationLayer& layer) {
                                 add_bias();
                                 Activate(layer, output);
                                 return true;
                               }},
                    run.plan->layers[view.layer].kind);
}

bool CpuSample::StepNeurons(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view) {
  if (run.constants[view.layer].neurons.remembers) {
    return StepMemory(run, step, scratch, view);
  }
  if (run.IsSpiking(view.layer)) {
    return StepSpiking(run, step, scratch, view);
  }
  const LayerConstants& constants = run.constants[view.layer];
  const std::span<float> values = scratch.Values(run.plan->layers[view.layer].population, step);
  kernels::StepRates(*constants.neurons.rate, view.total, constants.bias, layers_[view.layer].neurons,
                     values);
  view.values = values;
  return true;
}

bool CpuSample::StepSpiking(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view) {
  const Layer& plan = run.plan->layers[view.layer];
  const LayerConstants& constants = run.constants[view.layer];
  LayerState& state = layers_[view.layer];
  const NeuronConstants& neurons = constants.neurons;
  std::span<const float> input = view.total;
  if (neurons.rate) {
    const std::span<float> rates = scratch.output.first(view.total.size());
    kernels::StepRates(*neurons.rate, view.total, constants.bias, state.neurons, rates);
    input = rates;
  }
  const std::span<std::int32_t> counts = scratch.WriteCounts(plan.population, step);
  const kernels::StepResult result =
      kernels::StepSpikes(*neurons.spikes, input, constants.bias, state.neurons,
                          DrawsOf(*run.spec, inputs_.index, plan.operation, done_ + step), counts);
  view.counts = counts;
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
  const Layer& plan = run.plan->layers[layer];
  const std::string& name = operations[Index(plan.operation)].name;
  status_ = HasMemory(plan) ? LeftMemoryRange(name) : LeftExactRange(name);
}

}  // namespace spikeserve::engine
