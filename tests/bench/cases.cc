#include "tests/bench/cases.h"

#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/rpc/decode/decode_network.h"
#include "server/serving/networks/network_file.h"
#include "tests/bench/seeded.h"

namespace spikeserve::bench {
namespace {

using engine::Index;
using SharedNetwork = std::shared_ptr<const engine::Network>;

constexpr double kRate = 0.07;  // spikes per neuron and step of seeded networks

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw std::runtime_error(path.string() + ": cannot be read; tools/bench.sh makes it");
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

SharedNetwork FromFile(const std::filesystem::path& path) {
  auto file = serving::DecodeNetworkFile(Contents(path));
  if (!file.ok()) {
    throw std::runtime_error(path.string() + ": " + file.status().message());
  }
  serving::MemoryBudget budget(std::int64_t{1} << 40);
  auto parsed = rpc::DecodeNetwork(file.value().payload, {}, budget);
  if (!parsed.ok()) {
    throw std::runtime_error(path.string() + ": " + parsed.status().message());
  }
  auto network = engine::Network::Create(std::move(parsed.value().definition), {});
  if (!network.ok()) {
    throw std::runtime_error(path.string() + ": " + network.status().message());
  }
  return std::make_shared<const engine::Network>(std::move(network).value());
}

SharedNetwork Seeded(const std::string& name) {
  static const std::map<std::string, std::function<SharedNetwork()>> kMakers{
      {"mlp_784_1024_1024_10",
       [] {
         return SeededDense({784, 1024, 1024, 10}, kRate);
       }},
      {"dense_4096x4",
       [] {
         return SeededDense({4096, 4096, 4096, 4096, 4096, 10}, kRate);
       }},
      {"vgg16", [] { return SeededVgg16(kRate); }},
  };
  static std::map<std::string, SharedNetwork> made;  // one thread
  const auto maker = kMakers.find(name);
  if (maker == kMakers.end()) {
    throw std::runtime_error(name + ": no such seeded network");
  }
  SharedNetwork& network = made[name];
  if (network == nullptr) {
    network = maker->second();
  }
  return network;
}

bool IsFile(const Case& one) { return one.network.ends_with(".spk"); }

template <typename T>
std::vector<T> Repeated(const std::vector<T>& values, std::size_t count) {
  std::vector<T> result(count);
  for (std::size_t i = 0; i < count; ++i) {
    result[i] = values[i % values.size()];
  }
  return result;
}

// The same network with other neurons: rectified, with memory, and half a spike to begin with.
SharedNetwork WithMemory(const engine::Network& network) {
  engine::NetworkDefinition definition = network.definition();
  for (engine::OperationDefinition& operation : definition.operations) {
    if (auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind)) {
      const double amplitude = engine::SpikeAmplitude(neuron->model);
      neuron->model = engine::MemoryRectifiedLinear{amplitude, std::nullopt, 0};
      neuron->initial_voltage = engine::ConstantVoltage{0.5};
    }
  }
  for (engine::ConnectionDefinition& connection : definition.connections) {
    connection.synapse.reset();
  }
  auto changed = engine::Network::Create(std::move(definition), {});
  if (!changed.ok()) {
    throw std::runtime_error(changed.status().message());
  }
  return std::make_shared<const engine::Network>(std::move(changed).value());
}

// The scale and offset that turn the bytes of the only input into values.
std::pair<double, double> ByteScale(const engine::Network& network) {
  const auto& operation = network.definition().operations[Index(network.inputs().at(0))];
  const auto& input = std::get<engine::InputOperation>(operation.kind);
  return {input.uint8_scale.value_or(1.0), input.uint8_offset.value_or(0.0)};
}

}  // namespace

const std::vector<Case>& Cases() {
  static const std::vector<Case> kCases{
      {"mlp_784_128_10.u8", "fashion_mlp.spk", 100, {1, 64, 256}, true, 256, 256},
      {"mlp_784_128_10.f32", "fashion_mlp.spk", 100, {1, 64, 256}, false, 256, 256},
      {"mlp_784_128_10.f32.t1000", "fashion_mlp.spk", 1000, {256}, false, 256, 256},
      {"mlp_784_128_10.nengo_dl", "fashion_mlp.nengo_dl.spk", 100, {1, 256}, true, 256, 256},
      {"mlp_784_1024_1024_10", "mlp_784_1024_1024_10", 100, {1, 64}, false, 64, 8},
      {"fashion_cnn.t16", "fashion_cnn.spk", 16, {1, 32}, true, 32, 4},
      {"fashion_cnn.t60", "fashion_cnn.spk", 60, {32}, true, 32, 2},
      {"fashion_cnn.nengo_dl.t60", "fashion_cnn.nengo_dl.spk", 60, {32}, true, 32, 2},
      {"lenet.t100", "fashion_lenet.spk", 100, {32}, true, 32, 4},
      {"vgg16.t32", "vgg16", 32, {8}, false, 8, 1},
      {"dense_4096x4.t100", "dense_4096x4", 100, {1}, false, 2, 1},
      {"mlp_784_128_10.memory.t100", "fashion_mlp.spk", 100, {1, 64, 256}, true, 256, 256, true},
      {"fashion_cnn.memory.t60", "fashion_cnn.spk", 60, {1, 32}, true, 32, 2, true},
      {"fashion_cnn.memory.t1000", "fashion_cnn.spk", 1000, {32}, true, 32, 2, true},
      {"lenet.memory.t100", "fashion_lenet.spk", 100, {1, 32}, true, 32, 4, true},
      {"vgg16.memory.t100", "vgg16", 100, {8}, false, 8, 1, true},
  };
  return kCases;
}

LoadedCase LoadCase(const Case& one, const std::filesystem::path& data, std::int64_t samples) {
  LoadedCase loaded;
  loaded.network = IsFile(one) ? FromFile(data / one.network) : Seeded(one.network);
  if (one.memory) {
    loaded.network = WithMemory(*loaded.network);
  }
  const std::int64_t size = loaded.network->size(loaded.network->inputs().at(0));
  if (!IsFile(one)) {
    loaded.floats = SeededInputs(*loaded.network, samples);
    return loaded;
  }
  const std::string images = Contents(data / "fashion_test.images");
  const std::string labels = Contents(data / "fashion_test.labels");
  if (images.empty() || images.size() != labels.size() * Index(size)) {
    throw std::runtime_error("fashion_test.images: wrong size; tools/bench.sh makes it");
  }
  loaded.bytes = Repeated(std::vector<std::uint8_t>(images.begin(), images.end()), Index(samples * size));
  loaded.labels = Repeated(std::vector<std::uint8_t>(labels.begin(), labels.end()), Index(samples));
  const auto [scale, offset] = ByteScale(*loaded.network);
  for (const std::uint8_t byte : loaded.bytes) {
    loaded.floats.push_back(static_cast<float>(scale * byte + offset));
  }
  if (!one.bytes) {
    loaded.bytes.clear();
  }
  return loaded;
}

}  // namespace spikeserve::bench
