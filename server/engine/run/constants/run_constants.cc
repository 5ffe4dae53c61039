#include "server/engine/run/constants/run_constants.h"

#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/run/constants/initial_voltage.h"

namespace spikeserve::engine {
namespace {

const InputOperation* InputOf(const Plan& plan, const Population& population) {
  return std::get_if<InputOperation>(
      &plan.network->definition().operations[Index(population.operation)].kind);
}

TermConstants MakeTerm(const Plan& plan, const Layer& layer, const Term& term, const SimulationSpec& spec) {
  const double dt = spec.settings.dt_s;
  const Population& population = plan.populations[Index(term.population)];
  const bool bytes = population.layer < 0 && HasByteValues(spec.inputs[Index(term.population)]);
  TermConstants constants;
  double factor = CurrentUnit(layer.model, dt);
  if (population.spiking) {
    factor *= population.amplitude / dt;
  }
  double filter_gain = 1;
  if (!IsSimple(term.synapse, term.delay_steps)) {
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
  const InputOperation* input = InputOf(plan, population);
  const double byte_scale = bytes ? *input->uint8_scale : 1.0;
  const double byte_offset = bytes ? input->uint8_offset.value_or(0) : 0.0;
  std::vector<float> totals;
  if (byte_offset != 0) {
    totals = kernels::RowTotals(term.product);
  }
  const std::size_t rows = term.product.row_scale.size();
  for (std::size_t j = 0; j < Index(layer.size); ++j) {
    const double gain = layer.gain.empty() ? 1.0 : layer.gain[j];
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
  const double unit = CurrentUnit(layer.model, dt);
  constants.current_unit = static_cast<float>(unit);
  for (std::size_t j = 0; j < Index(layer.size); ++j) {
    const double gain = layer.gain.empty() ? 1.0 : layer.gain[j];
    const double bias = layer.bias.empty() ? 0.0 : layer.bias[j];
    constants.bias.push_back(static_cast<float>((gain * layer.constant[j] + bias) * unit));
  }
  if (layer.kind != LayerKind::kNeuron) {
    return constants;
  }
  constants.neurons = MakeNeuronConstants(layer.model, dt);
  if (!IsSpiking(layer.model)) {
    return constants;
  }
  const double amplitude = plan.populations[Index(layer.population)].amplitude;
  constants.spike_height = static_cast<float>(amplitude / dt);
  constants.voltage = StartVoltages(plan, layer, spec.settings);
  return constants;
}

}  // namespace

ProbeRecorder::Filter RecorderFilter(const RequestProbe& probe, double dt_s) {
  return {probe.filter_tau_s.has_value(),
          probe.filter_tau_s ? DecayOf(Lowpass{*probe.filter_tau_s}, dt_s) : 0.0};
}

std::vector<float> StartVoltages(const Plan& plan, const Layer& layer, const RunSettings& settings) {
  if (layer.kind != LayerKind::kNeuron || !HasVoltage(layer.model)) {
    return {};
  }
  const std::vector<double> voltages =
      InitialVoltages(*plan.network, settings.initial_voltage.value_or(layer.initial_voltage),
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
