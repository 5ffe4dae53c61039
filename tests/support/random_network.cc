#include "tests/support/random_network.h"

#include <cmath>
#include <optional>
#include <utility>

#include "server/engine/network/network.h"
#include "server/engine/network/neuron_models.h"
#include "tests/support/random.h"
#include "tests/support/random_linear.h"
#include "tests/support/random_neurons.h"

namespace spikeserve::testing {
namespace {

constexpr std::int64_t kMostElements = 400;  // of one operation, so that a network takes milliseconds

// Grows one network. One thread, one use.
class Grower {
 public:
  Grower(std::uint64_t seed, bool rich, bool memory = false)
      : random_(seed), linear_(random_, network_.definition, rich, memory), rich_(rich), memory_(memory) {}

  RandomNetwork Grow() {
    network_.definition.format_version = 1;
    for (std::int64_t inputs = random_.Between(1, 2); inputs > 0; --inputs) {
      AddInput();
    }
    for (std::int64_t stages = random_.Between(1, 4); stages > 0; --stages) {
      AddNeurons(Chain(random_.Chance(0.7) ? signals_.back() : random_.Pick(signals_)));
    }
    AddOutput();
    AddProbes();
    ChooseRun();
    return std::move(network_);
  }

 private:
  void AddInput() {
    const std::vector<engine::Shape> shapes = {
        {random_.Between(3, 12)},
        {random_.Between(4, 9), random_.Between(1, 4)},
        {random_.Between(3, 6), random_.Between(3, 6), random_.Between(1, 3)}};
    engine::InputOperation input{random_.Pick(shapes), {}, {}};
    engine::InputFormat format{engine::DataType::kFloat32, random_.Chance(0.4)};
    if (random_.Chance(0.4)) {
      format.type = engine::DataType::kUint8;
      input.uint8_scale = random_.Chance(0.5) ? 1.0 / 255 : 1.0 / 128;
      input.uint8_offset = random_.Chance(0.5) ? std::optional(-0.5) : std::nullopt;
    } else if (random_.Chance(0.2)) {
      format.type = engine::DataType::kFloat64;
    }
    network_.spec.inputs.push_back(format);
    Signal signal = linear_.Operation(input, input.shape, {});
    signal.population = true;
    signals_.push_back(signal);
  }

  // Up to three linear operations; a result that grows too large is cut short by an Affine.
  Signal Chain(Signal signal) {
    for (std::int64_t left = random_.Between(signal.population ? 0 : 1, 3); left > 0; --left) {
      signal = linear_.Add(signal, signals_);
      while (engine::ElementCount(signal.shape) > kMostElements) {
        const std::int64_t count = engine::ElementCount(signal.shape);
        signal = linear_.Affine(linear_.Operation(engine::ReshapeOperation{{count}}, {count}, {signal}), 12);
      }
      signals_.push_back(signal);
    }
    return signal;
  }

  void AddNeurons(const Signal& source) {
    engine::NeuronOperation neurons;
    const double amplitude = random_.Pick(std::vector<double>{1, 0.01, 0.5, -0.25});
    // The current that the source's level gives, so that every type is busy but not saturated.
    double current = random_.Uniform(100, 2500);
    double level = current * std::abs(amplitude);
    switch (random_.Below(5)) {
      case 0:
        neurons.model =
            engine::Lif{random_.Uniform(0.005, 0.05), random_.Chance(0.2) ? 0 : random_.Uniform(0, 0.004),
                        random_.Chance(0.5) ? 0.0 : -random_.Uniform(0, 2), amplitude};
        current = random_.Uniform(1, 10);
        level = 100 * std::abs(amplitude);
        break;
      case 1: neurons.model = engine::RectifiedLinear{amplitude}; break;
      case 2: neurons.model = engine::IntegrateAndFire{amplitude}; break;
      default: neurons.model = engine::SpikingRectifiedLinear{amplitude};
    }
    if (rich_ && random_.Chance(0.8)) {
      RandomModel drawn = MakeRandomModel(random_);
      neurons.model = std::move(drawn.model);
      current = drawn.current;
      level = drawn.level;
    }
    if (memory_ && random_.Chance(0.85)) {
      neurons.model = RandomMemory(amplitude, source.level);
      level = current * std::abs(amplitude);
    }
    if (memory_ && random_.Chance(0.25)) {
      neurons.model = RandomFunction(amplitude);
      neurons.output_scale = random_.Chance(0.5)
                                 ? engine::Parameter(current)
                                 : engine::Parameter(linear_.Tensor({source.shape.back()}, current));
      current = random_.Uniform(1, 5);
    }
    ChooseParameters(source, current, neurons);
    if (auto* memory = std::get_if<engine::MemoryRectifiedLinear>(&neurons.model);
        memory != nullptr && !std::holds_alternative<double>(neurons.gain)) {
      memory->max_value.reset();  // wants positive gains
    }
    Signal signal = linear_.Operation(neurons, source.shape, {source});
    signal.population = true;
    signal.level = level;
    signals_.push_back(signal);
    neurons_.push_back({signal, engine::IsSpiking(neurons.model), engine::HasVoltage(neurons.model)});
  }

  engine::MemoryRectifiedLinear RandomMemory(double amplitude, double level) {
    engine::MemoryRectifiedLinear model{amplitude, std::nullopt, 0};
    if (random_.Chance(0.2)) {
      model.max_value = level * random_.Uniform(0.2, 1);
    }
    if (random_.Chance(0.2)) {
      model.negative_slope = random_.Uniform(-0.3, 0.9);
    }
    return model;
  }

  static double Alpha(math::MeanFunction function) {
    switch (function) {
      case math::MeanFunction::kElu: return 0.7;
      case math::MeanFunction::kNormalise: return 1e-3;
      default: return 0;
    }
  }

  engine::MemoryFunction RandomFunction(double amplitude) {
    const auto last = static_cast<std::int64_t>(math::MeanFunction::kSoftmax);
    auto function = static_cast<math::MeanFunction>(random_.Between(1, last));
    if (function == math::MeanFunction::kExponential) {
      function = math::MeanFunction::kSigmoid;  // two in a row leave every range
    }
    return {function, amplitude, Alpha(function)};
  }

  void ChooseParameters(const Signal& source, double current, engine::NeuronOperation& neurons) {
    const double gain = current / source.level;
    neurons.gain = random_.Chance(0.3) ? engine::Parameter(linear_.Tensor({source.shape.back()}, gain))
                                       : engine::Parameter(gain);
    if (random_.Chance(0.1)) {
      neurons.bias = -50 * current;  // a silent layer
    } else if (random_.Chance(0.6)) {
      neurons.bias = random_.Chance(0.5) ? engine::Parameter(linear_.Tensor(source.shape, 0.5 * current))
                                         : engine::Parameter(random_.Uniform(-0.2, 0.5) * current);
    }
    if (!engine::HasVoltage(neurons.model) || random_.Chance(0.2)) {
      return;
    }
    const std::vector<engine::InitialVoltage> voltages = {
        engine::ZeroVoltage{}, engine::ConstantVoltage{random_.Uniform(-0.5, 1)},
        engine::UniformVoltage{static_cast<std::uint64_t>(random_.Below(1000))},
        engine::TensorVoltage{linear_.Tensor(source.shape, 1)}};
    neurons.initial_voltage = random_.Pick(voltages);
  }

  void AddOutput() {
    Signal flat = signals_.back();
    const std::int64_t count = engine::ElementCount(flat.shape);
    flat = linear_.Operation(engine::ReshapeOperation{{count}}, {count}, {flat});
    output_ = linear_.Affine(flat, random_.Between(2, 5));
    AddProbe("output", output_, engine::ProbeQuantity::kOutput);
    if (memory_ && random_.Chance(0.8)) {
      Unfilter(network_.definition.probes.back());
    }
    if (random_.Chance(0.3)) {
      const std::vector<engine::ActivationOperation> kinds = {{engine::Softmax{}}, {engine::LeakyRelu{0.1}}};
      AddProbe("activation", linear_.Operation(random_.Pick(kinds), output_.shape, {output_}),
               engine::ProbeQuantity::kOutput);
    }
  }

  void AddProbes() {
    if (memory_) {
      return;
    }
    for (std::size_t i = 0; i < neurons_.size(); ++i) {
      const std::string layer = std::to_string(i);
      const auto& [signal, spiking, voltage] = neurons_[i];
      AddProbe("neurons" + layer, signal, engine::ProbeQuantity::kOutput);
      if (spiking) {
        AddProbe("spikes" + layer, signal, engine::ProbeQuantity::kSpikes);
        Unfilter(network_.definition.probes.back());
      }
      if (voltage) {
        AddProbe("voltage" + layer, signal, engine::ProbeQuantity::kVoltage);
        Unfilter(network_.definition.probes.back());
      }
    }
    AddProbe("any", random_.Pick(signals_), engine::ProbeQuantity::kOutput);
  }

  static void Unfilter(engine::ProbeDefinition& probe) {
    probe.synapse.reset();
    probe.delay_steps = 0;
  }

  void AddProbe(const std::string& name, const Signal& target, engine::ProbeQuantity quantity) {
    engine::Synapse synapse;
    if (random_.Chance(0.4)) {
      synapse = engine::Lowpass{random_.Uniform(0, 0.02)};
      if (rich_ && random_.Chance(0.7)) {
        synapse = RandomSynapse(random_);
      }
    }
    network_.spec.probes.push_back(static_cast<std::int64_t>(network_.definition.probes.size()));
    network_.definition.probes.push_back({name, target.name, quantity, synapse});
    if (rich_ && random_.Chance(0.2)) {
      network_.definition.probes.back().delay_steps = random_.Between(1, 9);
    }
  }

  void ChooseRun() {
    engine::RunSettings& settings = network_.spec.settings;
    settings.dt_s = random_.Pick(std::vector<double>{0.001, 0.001, 0.0005, 0.002});
    settings.steps = random_.Between(5, 60);
    settings.readout.kind = random_.Chance(0.7) ? engine::ReadoutKind::kMean : engine::ReadoutKind::kLast;
    settings.readout.skip_steps = random_.Chance(0.5) ? random_.Below(settings.steps) : 0;
    if (random_.Chance(0.3)) {
      settings.seed = static_cast<std::uint64_t>(random_.Below(1000));
    }
    network_.spec.statistics = true;
  }

  struct NeuronSignal {
    Signal signal;
    bool spiking = false;
    bool voltage = false;
  };

  Random random_;
  RandomNetwork network_;
  RandomLinear linear_;
  const bool rich_;
  const bool memory_;
  std::vector<Signal> signals_;
  std::vector<NeuronSignal> neurons_;
  Signal output_;
};

std::vector<std::byte> RandomInput(Random& random, engine::DataType type, std::int64_t count) {
  const std::vector<float> values = random.Floats(count, -0.5, 1);
  if (type == engine::DataType::kFloat32) {
    return Bytes(values);
  }
  if (type == engine::DataType::kFloat64) {
    return Bytes(std::vector<double>(values.begin(), values.end()));
  }
  std::vector<std::byte> bytes;
  for (std::int64_t i = 0; i < count; ++i) {
    bytes.push_back(static_cast<std::byte>(random.Below(256)));
  }
  return bytes;
}

}  // namespace

RandomNetwork MakeRandomNetwork(std::uint64_t seed) { return Grower(seed, false).Grow(); }

RandomNetwork MakeRichNetwork(std::uint64_t seed) { return Grower(seed, true).Grow(); }

RandomNetwork MakeMemoryNetwork(std::uint64_t seed) { return Grower(seed, false, true).Grow(); }

std::vector<Sample> RandomSamples(const RandomNetwork& network, std::int64_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<Sample> samples(static_cast<std::size_t>(count));
  for (Sample& sample : samples) {
    sample.index = &sample - samples.data();
    std::size_t input = 0;
    for (const engine::OperationDefinition& operation : network.definition.operations) {
      if (const auto* kind = std::get_if<engine::InputOperation>(&operation.kind)) {
        const engine::InputFormat& format = network.spec.inputs[input++];
        const std::int64_t steps = format.per_step ? network.spec.settings.steps : 1;
        sample.inputs.push_back(RandomInput(random, format.type, steps * engine::ElementCount(kind->shape)));
      }
    }
  }
  return samples;
}

}  // namespace spikeserve::testing
