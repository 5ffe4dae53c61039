#include "tests/bench/neuron_types.h"

#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>

#include "server/engine/make_backend.h"

namespace spikeserve::bench {
namespace {

constexpr std::int64_t kNeurons = 4096;
constexpr std::int64_t kSamples = 8;
constexpr std::int64_t kSteps = 100;

engine::NetworkDefinition OneLayer(const engine::NeuronModel& model) {
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"input", engine::InputOperation{{kNeurons}, {}, {}}},
                        {"neurons", engine::NeuronOperation{model, {}, {}, {}}}};
  network.connections = {{"input", "neurons", engine::Lowpass{0.005}}};
  network.probes = {{"output", "neurons", engine::ProbeQuantity::kOutput, {}}};
  return network;
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    throw std::runtime_error(result.status().message());
  }
  return std::move(result).value();
}

// A layer of one type on one path, with its inputs.
class Layer {
 public:
  Layer(const NeuronType& type, engine::CpuPath path)
      : backend_(Must(engine::MakeBackend({.kind = "cpu", .threads = 1, .cpu_path = path}))) {
    auto network = Must(engine::Network::Create(OneLayer(type.model), {}));
    resident_ =
        Must(backend_->Load(std::make_shared<engine::Network>(std::move(network)), engine::Mode::kExact));
    for (std::int64_t j = 0; j < kNeurons; ++j) {
      const double share = static_cast<double>(j) / (kNeurons - 1);
      inputs_.push_back(static_cast<float>(type.low + (type.high - type.low) * share));
    }
    spec_.settings.steps = kSteps;
    spec_.inputs = {{engine::DataType::kFloat32, false}};
    spec_.probes = {0};
  }

  engine::Reading Run() const {
    const auto* data = reinterpret_cast<const std::byte*>(inputs_.data());
    std::vector<engine::SampleInputs> samples(kSamples);
    for (std::int64_t i = 0; i < kSamples; ++i) {
      samples[static_cast<std::size_t>(i)].data = {data};
      samples[static_cast<std::size_t>(i)].index = i;
    }
    auto simulation = Must(
        resident_->NewSimulation(Must(engine::CheckedSpec::Create(resident_->network(), spec_)), samples));
    if (Status status = simulation->Advance(kSteps); !status.ok()) {
      throw std::runtime_error(status.message());
    }
    return Must(simulation->Read());
  }

 private:
  std::unique_ptr<engine::Backend> backend_;
  std::unique_ptr<engine::ResidentNetwork> resident_;
  std::vector<float> inputs_;
  engine::SimulationSpec spec_;
};

void Check(const NeuronType& type, const Layer& layer, NeuronRow& row) {
  const engine::Reading reading = layer.Run();
  const std::vector<double>& outputs = reading.probes.at(0).values;
  row.correct = outputs == Layer(type, engine::CpuPath::kPlain).Run().probes.at(0).values;
  for (const double output : outputs) {
    row.correct = row.correct && std::isfinite(output);
  }
  double spikes = 0;
  for (const std::int64_t count : reading.spikes) {
    spikes += static_cast<double>(count);
  }
  row.spikes_per_step = spikes / static_cast<double>(kNeurons * kSamples * kSteps);
}

}  // namespace

std::vector<NeuronType> NeuronTypes() {
  const engine::RateModel rate = engine::RectifiedLinear{};
  return {{"SpikingRectifiedLinear", engine::SpikingRectifiedLinear{}, -100, 300},
          {"IntegrateAndFire", engine::IntegrateAndFire{}, -100, 300},
          {"IntegrateAndFire, min_voltage", engine::IntegrateAndFire{1, -1}, -100, 300},
          {"SpikingLeakyRectifiedLinear", engine::SpikingLeakyRectifiedLinear{}, -100, 300},
          {"Lif", engine::Lif{}, 0, 10},
          {"AdaptiveLif", engine::AdaptiveLif{}, 0, 10},
          {"Izhikevich", engine::Izhikevich{}, 0, 20},
          {"RegularSpiking", engine::RegularSpiking{rate}, -100, 300},
          {"StochasticSpiking", engine::StochasticSpiking{rate}, -100, 300},
          {"PoissonSpiking", engine::PoissonSpiking{rate}, -100, 300},
          {"RectifiedLinear", engine::RectifiedLinear{}, -100, 300},
          {"LeakyRectifiedLinear", engine::LeakyRectifiedLinear{}, -100, 300},
          {"Sigmoid", engine::Sigmoid{}, -3, 3},
          {"Tanh", engine::Tanh{}, -3, 3},
          {"LifRate", engine::LifRate{}, 0, 10},
          {"SoftLifRate", engine::SoftLifRate{}, 0, 10},
          {"AdaptiveLifRate", engine::AdaptiveLifRate{}, 0, 10}};
}

std::vector<NeuronRow> RunNeuronTypes(int repetitions, double window_s) {
  const std::vector<NeuronType> types = NeuronTypes();
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<std::function<void()>> bodies;
  std::vector<NeuronRow> rows;
  for (const NeuronType& type : types) {
    layers.push_back(std::make_unique<Layer>(type, engine::CpuPath::kAuto));
    Check(type, *layers.back(), rows.emplace_back(NeuronRow{.name = type.name}));
    bodies.emplace_back([layer = layers.back().get()] { static_cast<void>(layer->Run()); });
  }
  const std::vector<Times> times = TimeInTurn(bodies, repetitions, window_s);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].correct) {
      continue;  // a wrong type prints no time
    }
    rows[i].neuron_steps_per_s = static_cast<double>(kNeurons * kSamples * kSteps) / times[i].median;
    rows[i].to_rectified_linear = times[0].median / times[i].median;
    rows[i].spread = times[i].spread;
  }
  return rows;
}

}  // namespace spikeserve::bench
