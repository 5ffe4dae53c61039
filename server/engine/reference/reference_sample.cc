#include "server/engine/reference/reference_sample.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "server/engine/network/count_rules.h"
#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/activity.h"
#include "server/engine/run/constants/initial_voltage.h"
#include "server/engine/run/constants/neuron_constants.h"
#include "server/engine/run/constants/run_constants.h"

namespace spikeserve::engine {
namespace {

// The softmax or other function of an Activation on one sample's values, in place.
void ApplyActivation(const ActivationOperation& activation, std::int64_t row_length,
                     std::vector<double>& values) {
  if (const auto* leaky = std::get_if<LeakyRelu>(&activation.kind)) {
    for (double& value : values) {
      value = value > 0 ? value : leaky->negative_slope * value;
    }
    return;
  }
  for (std::size_t first = 0; first < values.size(); first += Index(row_length)) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = begin + row_length;
    const double largest = *std::max_element(begin, end);
    double sum = 0;
    std::for_each(begin, end, [&](double& value) { sum += value = std::exp(value - largest); });
    std::for_each(begin, end, [&](double& value) { value /= sum; });
  }
}

constexpr double kMaxCount = 9007199254740992.0;  // 2^53: beyond, float64 does not count singly

template <typename T>
double ReadValue(const std::byte* data, std::int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return static_cast<double>(value);
}

double ReadInput(const InputOperation& input, DataType type, const std::byte* data, std::int64_t index) {
  if (type == DataType::kUint8) {
    return input.uint8_scale.value_or(1) * ReadValue<std::uint8_t>(data, index) +
           input.uint8_offset.value_or(0);
  }
  return type == DataType::kFloat64 ? ReadValue<double>(data, index) : ReadValue<float>(data, index);
}

const OperationKind& KindOf(const ReferenceRun& run, std::int64_t operation) {
  return run.network->definition().operations[Index(operation)].kind;
}

const ConnectionDefinition& ConnectionOf(const ReferenceRun& run, const Incoming& incoming) {
  return run.network->definition().connections[Index(incoming.connection)];
}

const ProbeDefinition& ProbeOf(const ReferenceRun& run, std::size_t index) {
  return run.network->definition().probes[Index(run.spec->probes[index])];
}

}  // namespace

ReferenceRun MakeReferenceRun(const Network& network, const ReferenceOperators& operators,
                              const std::vector<std::vector<std::int64_t>>& fan_out, const FilterPaths& paths,
                              const CheckedSpec& spec) {
  ReferenceRun run{&network, &operators, &fan_out, spec, {}, {}, {}, {}, 1, {}};
  if (spec->settings.readout.kind == ReadoutKind::kCorrectedMean) {
    run.correction = ReadoutCorrection(paths, *spec);
  }
  const std::size_t operations = network.definition().operations.size();
  run.voltage.resize(operations);
  run.gain.resize(operations);
  run.bias.resize(operations);
  run.output_scale.resize(operations);
  for (std::size_t i = 0; i < operations; ++i) {
    const auto* neuron = std::get_if<NeuronOperation>(&network.definition().operations[i].kind);
    const auto index = static_cast<std::int64_t>(i);
    if (neuron == nullptr) {
      const OperationKind& kind = network.definition().operations[i].kind;
      run.voltage[i].assign(ReadsCounts(kind) ? Index(network.size(index)) : 0, 0.0);
      if (const auto* product = std::get_if<ProductOperation>(&kind)) {
        run.output_scale[i] = network.Expand(product->output_scale, index, 1);
      }
      continue;
    }
    const InitialVoltage own = neuron->initial_voltage.value_or(ZeroVoltage{});
    run.voltage[i] = InitialVoltages(network, spec->settings.initial_voltage.value_or(own), index,
                                     network.size(index), spec->settings.seed);
    run.gain[i] = network.Expand(neuron->gain, index, 1);
    run.bias[i] = network.Expand(neuron->bias, index, 0);
    run.output_scale[i] = network.Expand(neuron->output_scale, index, 1);
  }
  return run;
}

ReferenceRun ReferenceRun::With(const CheckedSpec& changed) const {
  ReferenceRun run = *this;
  run.spec = changed;
  return run;
}

ReferenceScratch::ReferenceScratch(const ReferenceRun& run) {
  std::size_t widest = 1;
  for (std::size_t i = 0; i < run.operators->size(); ++i) {
    const std::size_t size = Index(run.network->size(static_cast<std::int64_t>(i)));
    values.emplace_back(size);
    counts.emplace_back(run.voltage[i].size());
    widest = std::max(widest, size);
  }
  product.resize(widest);
}

ReferenceSample::ReferenceSample(const ReferenceRun& run, SampleInputs inputs)
    : inputs_(std::move(inputs)), neurons_(run.voltage.size()), filters_(run.voltage.size()) {
  const double dt_s = run.spec->settings.dt_s;
  for (std::size_t i = 0; i < neurons_.size(); ++i) {
    for (const double voltage : run.voltage[i]) {
      neurons_[i].push_back({{.voltage = voltage}, voltage});
    }
    neuron_spikes_.emplace_back(neurons_[i].size(), 0);
    totals_.emplace_back();
    if (ReadsCounts(KindOf(run, static_cast<std::int64_t>(i)))) {
      for (const Incoming& incoming : run.network->incoming(static_cast<std::int64_t>(i))) {
        totals_[i].emplace_back(Index(run.network->size(incoming.source)), 0.0);
      }
    }
    const std::int64_t size = run.network->size(static_cast<std::int64_t>(i));
    for (const Incoming& incoming : run.network->incoming(static_cast<std::int64_t>(i))) {
      const ConnectionDefinition& connection = ConnectionOf(run, incoming);
      filters_[i].emplace_back(connection.synapse, connection.delay_steps, dt_s, size);
    }
  }
  const RunSettings& settings = run.spec->settings;
  for (std::size_t p = 0; p < run.spec->probes.size(); ++p) {
    const ProbeDefinition& probe = ProbeOf(run, p);
    const std::int64_t size = run.ProbeSize(run.spec->probes[p]);
    probe_filters_.emplace_back(probe.synapse, probe.delay_steps, dt_s, size);
    probes_.emplace_back(ProbeState::Options{settings.readout, run.spec->trajectories,
                                             run.spec->session ? 0 : settings.steps, false, 0},
                         size);
  }
  for (std::size_t i = 0; i < run.spec->request_probes.size(); ++i) {
    const RequestProbe& probe = run.spec->request_probes[i];
    recorders_.emplace_back(probe.recording, RecorderFilter(probe, settings.dt_s), run.RecordSize(i));
  }
}

void ReferenceSample::Feed(SampleInputs inputs) {
  inputs_ = std::move(inputs);
  fed_at_ = done_;
  for (ProbeState& probe : probes_) {
    probe.ForgetTrajectory();
  }
  for (ProbeRecorder& recorder : recorders_) {
    recorder.Forget();
  }
}

void ReferenceSample::Advance(const ReferenceRun& run, std::int64_t steps, ReferenceScratch& scratch) {
  for (std::int64_t step = 0; step < steps; ++step) {
    Step(run, scratch);
    ++done_;
  }
}

void ReferenceSample::Step(const ReferenceRun& run, ReferenceScratch& scratch) {
  for (std::size_t input = 0; input < run.network->inputs().size(); ++input) {
    LoadInput(run, input, scratch.values[Index(run.network->inputs()[input])]);
  }
  for (const std::int64_t operation : run.network->order()) {
    const OperationKind& kind = KindOf(run, operation);
    if (std::holds_alternative<InputOperation>(kind)) {
      continue;
    }
    if (ReadsCounts(kind)) {
      StepCounts(run, operation, scratch);
      continue;
    }
    SumInputs(run, operation, scratch);
    RecordCurrents(run, operation, scratch);
    if (std::holds_alternative<NeuronOperation>(kind)) {
      StepNeurons(run, operation, scratch);
    } else if (const auto* activation = std::get_if<ActivationOperation>(&kind)) {
      ApplyActivation(*activation, run.network->shape(operation).back(), scratch.values[Index(operation)]);
    }
  }
  for (std::size_t p = 0; p < probes_.size(); ++p) {
    const std::size_t target = Index(run.network->probe_target(run.spec->probes[p]));
    const ProbeQuantity quantity = ProbeOf(run, p).quantity;
    std::vector<double> values =
        quantity == ProbeQuantity::kSpikes ? scratch.counts[target] : scratch.values[target];
    if (quantity == ProbeQuantity::kVoltage) {
      std::transform(neurons_[target].begin(), neurons_[target].end(), values.begin(),
                     [](const ReferenceNeuron& neuron) { return neuron.voltage; });
    }
    probe_filters_[p].Step(values);
    probes_[p].Step(std::span<const double>(values));
  }
  RecordOutputs(run, scratch);
}

// Called between the sums of an operation and the step of its neurons.
void ReferenceSample::RecordCurrents(const ReferenceRun& run, std::int64_t operation,
                                     ReferenceScratch& scratch) {
  for (std::size_t i = 0; i < recorders_.size(); ++i) {
    const RequestProbe& probe = run.spec->request_probes[i];
    if (probe.operation != operation || probe.quantity != ProbeQuantity::kCurrent) {
      continue;
    }
    std::vector<double> current = scratch.values[Index(operation)];
    for (std::size_t j = 0; j < current.size(); ++j) {
      current[j] = run.bias[Index(operation)][j] + run.gain[Index(operation)][j] * current[j];
    }
    recorders_[i].Step(std::span<const double>(current));
  }
}

void ReferenceSample::RecordOutputs(const ReferenceRun& run, const ReferenceScratch& scratch) {
  for (std::size_t i = 0; i < recorders_.size(); ++i) {
    const RequestProbe& probe = run.spec->request_probes[i];
    const std::size_t target = Index(probe.operation);
    switch (probe.quantity) {
      case ProbeQuantity::kCurrent: continue;  // recorded before the step
      case ProbeQuantity::kSpikes: recorders_[i].Step(std::span<const double>(scratch.counts[target])); break;
      case ProbeQuantity::kVoltage: {
        std::vector<double> voltage;
        for (const ReferenceNeuron& neuron : neurons_[target]) {
          voltage.push_back(neuron.voltage);
        }
        recorders_[i].Step(std::span<const double>(voltage));
        break;
      }
      case ProbeQuantity::kOutput:
      case ProbeQuantity::kUnspecified:
        recorders_[i].Step(std::span<const double>(scratch.values[target]));
        break;
    }
  }
}

void ReferenceSample::LoadInput(const ReferenceRun& run, std::size_t input, std::span<double> values) const {
  const InputFormat& format = run.spec->inputs[input];
  const auto& definition = std::get<InputOperation>(KindOf(run, run.network->inputs()[input]));
  const auto size = static_cast<std::int64_t>(values.size());
  const std::int64_t first = format.per_step ? (done_ - fed_at_) * size : 0;
  for (std::int64_t j = 0; j < size; ++j) {
    values[Index(j)] = ReadInput(definition, format.type, inputs_.data[input], first + j);
  }
  if (format.encoding) {
    const auto key = KeyOf(run.spec->settings, inputs_, static_cast<std::int64_t>(input));
    Encode(*format.encoding, run.spec->settings.dt_s, key, done_ + 1, values);
  }
}

// The sum of what the inputs bring: at once, or what their filters held before this step.
void ReferenceSample::SumInputs(const ReferenceRun& run, std::int64_t operation, ReferenceScratch& scratch) {
  std::vector<double>& sum = scratch.values[Index(operation)];
  const auto& operators = (*run.operators)[Index(operation)];
  std::fill(sum.begin(), sum.end(), 0.0);
  const std::vector<Incoming>& incoming = run.network->incoming(operation);
  for (std::size_t slot = 0; slot < incoming.size(); ++slot) {
    const std::vector<double>& source = scratch.values[Index(incoming[slot].source)];
    const std::span<double> product = std::span(scratch.product).first(sum.size());
    std::fill(product.begin(), product.end(), 0.0);
    if (operators.empty()) {
      std::copy(source.begin(), source.end(), product.begin());
    } else {
      operators[slot]->AddProduct(source, product);
    }
    filters_[Index(operation)][slot].Step(product);
    for (std::size_t j = 0; j < sum.size(); ++j) {
      sum[j] += product[j];
      if (!operators.empty()) {
        sum[j] += operators[slot]->Constant(static_cast<std::int64_t>(j));
      }
    }
  }
}

void ReferenceSample::StepNeurons(const ReferenceRun& run, std::int64_t operation,
                                  ReferenceScratch& scratch) {
  const std::size_t op = Index(operation);
  const NeuronModel& model = std::get<NeuronOperation>(KindOf(run, operation)).model;
  const double dt_s = run.spec->settings.dt_s;
  const double unit = OutputUnit(model, dt_s);
  const bool spiking = IsSpiking(model);
  ReferenceStep step{.dt_s = dt_s, .site = DrawsOf(*run.spec, inputs_.index, operation, done_)};
  std::vector<double>& values = scratch.values[op];
  std::vector<double> sent;
  for (std::size_t j = 0; j < values.size(); ++j) {
    values[j] = run.bias[op][j] + run.gain[op][j] * values[j];
    sent.push_back(std::abs(neurons_[op][j].sent));
  }
  const auto* of_mean = std::get_if<MemoryFunction>(&model);
  const bool rows = of_mean != nullptr && math::IsOfRow(of_mean->function);
  const std::size_t row = Index(run.network->shape(operation).back());
  for (std::size_t first = 0; rows && first < values.size(); first += row) {
    StepReferenceRow(*of_mean, step, std::span(run.output_scale[op]).subspan(first, row),
                     std::span(neurons_[op]).subspan(first, row), std::span(values).subspan(first, row));
  }
  for (std::size_t j = 0; j < values.size(); ++j) {
    step.current = values[j];
    step.gain = run.gain[op][j];
    step.output_scale = run.output_scale[op][j];
    step.site.neuron = static_cast<std::uint32_t>(j);
    const double emitted = rows ? values[j] : StepReference(model, step, neurons_[op][j]);
    values[j] = emitted * unit;
    scratch.counts[op][j] = emitted;
    if (spiking && Remembers(model) && !run.spec->gross_statistics) {  // what was taken back counts no more
      Count(run, operation, j, std::abs(neurons_[op][j].sent) - sent[j]);
    } else if (spiking) {
      Count(run, operation, j, IsSigned(model) || Remembers(model) ? std::abs(emitted) : emitted);
    }
  }
}

// Units that read what others have sent in all.
void ReferenceSample::StepCounts(const ReferenceRun& run, std::int64_t operation, ReferenceScratch& scratch) {
  const std::size_t op = Index(operation);
  const std::vector<Incoming>& incoming = run.network->incoming(operation);
  for (std::size_t slot = 0; slot < incoming.size(); ++slot) {
    const std::vector<double>& read = scratch.values[Index(incoming[slot].source)];
    std::vector<double>& totals = totals_[op][slot];
    std::transform(read.begin(), read.end(), totals.begin(), totals.begin(), std::plus<>());
  }
  const bool maximum = IsMaximum(KindOf(run, operation));
  const double height = AmplitudeOf(*run.network, operation) / run.spec->settings.dt_s;
  for (std::size_t j = 0; j < neurons_[op].size(); ++j) {
    const double sent = maximum ? std::nearbyint(MostSent(run, op, j, height))
                                : std::floor(ProductOfCells(run, op, j) / height + 0.5);
    const double before = neurons_[op][j].sent;
    neurons_[op][j].sent = sent;
    scratch.counts[op][j] = sent - before;
    scratch.values[op][j] = (sent - before) * height;
    Count(run, operation, j,
          run.spec->gross_statistics ? std::abs(sent - before) : std::abs(sent) - std::abs(before));
  }
}

// In spikes, each of which adds `height` to a total.
double ReferenceSample::MostSent(const ReferenceRun& run, std::size_t operation, std::size_t unit,
                                 double height) const {
  std::vector<Entry> cells;
  (*run.operators)[operation][0]->Row(static_cast<std::int64_t>(unit), cells);
  double largest = -HUGE_VAL;
  for (const Entry& cell : cells) {
    largest = std::max(largest, totals_[operation][0][Index(cell.column)] / height);
  }
  return largest;
}

// The sum over the steps so far of the product of the two means.
double ReferenceSample::ProductOfCells(const ReferenceRun& run, std::size_t operation,
                                       std::size_t unit) const {
  const auto steps = static_cast<double>(done_ + 1);
  double product = run.output_scale[operation][unit] * steps;
  std::vector<Entry> cells;
  for (std::size_t slot = 0; slot < 2; ++slot) {
    (*run.operators)[operation][slot]->Row(static_cast<std::int64_t>(unit), cells);
    product *= totals_[operation][slot][Index(cells.front().column)] / steps;
  }
  return product;
}

void ReferenceSample::Count(const ReferenceRun& run, std::int64_t operation, std::size_t neuron,
                            double emitted) {
  if (!(std::abs(emitted) <= kMaxCount)) {  // true for what is not a number
    status_ = OutOfRange("layer '" + run.network->definition().operations[Index(operation)].name +
                         "': a neuron's spikes of one step cannot be counted (2^53 at most); lower the "
                         "inputs, gains or dt");
    return;
  }
  const auto count = static_cast<std::int64_t>(emitted);
  spikes_ = SaturatingAdd(spikes_, count);
  neuron_spikes_[Index(operation)][neuron] = SaturatingAdd(neuron_spikes_[Index(operation)][neuron], count);
}

void ReferenceSample::Read(const ReferenceRun&, std::size_t index, ReferenceScratch&,
                           std::span<double> out) const {
  probes_[index].Read(out);
}

std::vector<LayerActivity> ReferenceSample::Activity(const ReferenceRun& run) const {
  std::vector<LayerActivity> activity;
  for (const std::int64_t operation : run.network->order()) {
    if (!SendsSpikes(KindOf(run, operation))) {
      continue;
    }
    activity.push_back(Summarise(neuron_spikes_[Index(operation)], (*run.fan_out)[Index(operation)]));
  }
  return activity;
}

}  // namespace spikeserve::engine
