#include "server/engine/run/constants/run_constants.h"

#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/run/constants/initial_voltage.h"

namespace spikeserve::engine {
namespace {

const InputOperation* InputOf(const Plan& plan, const Population& population) {
  return std::get_if<InputOperation>(
      &plan.network->definition().operations[Index(population.operation)].kind);
}

// What the kernels want the layer's sums multiplied by, and neuron j's gain; 1 where there are no neurons.
double UnitOf(const NeuronLayer* neurons, double dt_s) {
  return neurons == nullptr ? 1.0 : CurrentUnit(neurons->model, dt_s);
}
double GainOf(const NeuronLayer* neurons, std::size_t j) {
  return neurons == nullptr || neurons->gain.empty() ? 1.0 : neurons->gain[j];
}

TermConstants MakeTerm(const Plan& plan, const Layer& layer, const Term& term, const SimulationSpec& spec) {
  const double dt = spec.settings.dt_s;
  const Population& population = plan.populations[Index(term.population)];
  const bool bytes = ReadsBytes(plan, layer, term.population, spec);
  TermConstants constants;
  const NeuronLayer* neurons = NeuronsOf(layer);
  double factor = UnitOf(neurons, dt);
  if (population.spiking) {
    factor *= population.amplitude / dt;
  }
  double filter_gain = 1;
  if (HasMemory(layer) && PureDelay(term.synapse, term.delay_steps)) {
    // What is late is late as it is, in integers.
  } else if (!IsSimple(term.synapse, term.delay_steps)) {
    constants.general = true;
    constants.filter =
        std::make_shared<kernels::FilterConstants>(MakeFilter(term.synapse, term.delay_steps, dt));
  } else if (term.synapse) {
    const double decay = DecayOf(*term.synapse, dt);
    constants.filtered = true;
    constants.decay = static_cast<float>(decay);
    filter_gain = 1 - decay;
  }
  const bool integers = population.spiking || bytes;
  constants.integers = integers;
  const InputOperation* input = InputOf(plan, population);
  const double byte_scale = bytes ? *input->uint8_scale : 1.0;
  const double byte_offset = bytes ? input->uint8_offset.value_or(0) : 0.0;
  std::vector<float> totals;
  if (byte_offset != 0) {
    totals = kernels::RowTotals(term.product);
  }
  const std::size_t rows = term.product.row_scale.size();
  constants.scale.reserve(Index(layer.size));
  constants.readout_scale.reserve(Index(layer.size));
  constants.offset.reserve(totals.empty() ? 0 : Index(layer.size));
  for (std::size_t j = 0; j < Index(layer.size); ++j) {
    const double gain = GainOf(neurons, j);
    const double unfiltered = term.product.row_scale[j % rows] * factor * gain;
    const double row = unfiltered * filter_gain;
    const double unit = integers ? term.product.integer_unit[j % rows] : 1.0;
    constants.scale.push_back(static_cast<float>(row * unit * byte_scale));
    constants.readout_scale.push_back(
        static_cast<float>(population.spiking ? unfiltered * unit : unfiltered));
    if (!totals.empty()) {
      constants.offset.push_back(static_cast<float>(row * byte_offset * totals[j]));
    }
  }
  return constants;
}

LayerConstants MakeLayer(const Plan& plan, const Layer& layer, const SimulationSpec& spec) {
  const double dt = spec.settings.dt_s;
  LayerConstants constants;
  for (const Term& term : layer.terms) {
    constants.terms.push_back(MakeTerm(plan, layer, term, spec));
  }
  const NeuronLayer* neurons = NeuronsOf(layer);
  const double unit = UnitOf(neurons, dt);
  constants.current_unit = static_cast<float>(unit);
  constants.bias.reserve(Index(layer.size));
  for (std::size_t j = 0; j < Index(layer.size); ++j) {
    const double bias = neurons == nullptr || neurons->bias.empty() ? 0.0 : neurons->bias[j];
    constants.bias.push_back(static_cast<float>((GainOf(neurons, j) * layer.constant[j] + bias) * unit));
  }
  if (HasMemory(layer)) {
    constants.memory = MakeMemoryConstants(plan, layer, spec.settings);
    for (const TermConstants& term : constants.terms) {
      constants.memory.AddOffsets(term.offset);
    }
    constants.memory.FindPeriod(layer.terms.empty()
                                    ? layer.size
                                    : static_cast<std::int64_t>(layer.terms[0].product.row_scale.size()));
  }
  if (neurons != nullptr) {
    constants.neurons = MakeNeuronConstants(neurons->model, dt);
  }
  if (layer.emits() && plan.populations[Index(layer.population)].spiking) {
    const double amplitude = plan.populations[Index(layer.population)].amplitude;
    constants.spike_height = static_cast<float>(amplitude / dt);
    constants.voltage = HasMemory(layer) ? std::vector<float>() : StartVoltages(plan, layer, spec.settings);
  }
  return constants;
}

}  // namespace

bool ReadsBytes(const Plan& plan, const Layer& layer, std::int64_t population, const SimulationSpec& spec) {
  // The rows of layers with memory are cut for the usual dt.
  const bool usual = spec.settings.dt_s == DefaultDt(plan.network->definition());
  return plan.populations[Index(population)].layer < 0 && HasByteValues(spec.inputs[Index(population)]) &&
         (usual || !HasMemory(layer));
}

ProbeRecorder::Filter RecorderFilter(const RequestProbe& probe, double dt_s) {
  return {probe.filter_tau_s.has_value(),
          probe.filter_tau_s ? DecayOf(Lowpass{*probe.filter_tau_s}, dt_s) : 0.0};
}

std::vector<float> StartVoltages(const Plan& plan, const Layer& layer, const RunSettings& settings) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  if (neurons == nullptr || !HasVoltage(neurons->model)) {
    return {};
  }
  const std::vector<double> voltages =
      InitialVoltages(*plan.network, settings.initial_voltage.value_or(neurons->initial_voltage),
                      layer.operation, layer.size, settings.seed);
  return {voltages.begin(), voltages.end()};
}

std::vector<LayerConstants> MakeConstants(const Plan& plan, const SimulationSpec& spec) {
  std::vector<LayerConstants> constants;
  for (const Layer& layer : plan.layers) {
    constants.push_back(MakeLayer(plan, layer, spec));
  }
  return constants;
}

}  // namespace spikeserve::engine
