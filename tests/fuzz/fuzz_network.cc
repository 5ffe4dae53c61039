#include "tests/fuzz/fuzz_network.h"

#include <memory>
#include <utility>
#include <vector>

#include "tests/support/definitions.h"

namespace spikeserve::fuzz {
namespace {

// image [2, 3, 2] (also as bytes) -> neurons -> dense, joined with extra [4] -> neurons -> class, softmax.
engine::NetworkDefinition Definition() {
  using namespace engine;
  NetworkDefinition network;
  network.format_version = 1;
  network.operations = {
      {"image", InputOperation{{2, 3, 2}, 1.0 / 255, -0.5}},
      {"extra", InputOperation{{4}, {}, {}}},
      {"first", NeuronOperation{SpikingRectifiedLinear{0.01}, 500.0, {}, UniformVoltage{1}}},
      {"flat", ReshapeOperation{{12}}},
      {"join", ConcatOperation{0}},
      {"second", NeuronOperation{Lif{}, 3.0, {}, {}}},
      {"class", AffineOperation{"w", ""}},
      {"softmax", ActivationOperation{Softmax{}}}};
  network.connections = {{"image", "first", {}},  {"first", "flat", Lowpass{0.005}},
                         {"flat", "join", {}},    {"extra", "join", {}},
                         {"join", "second", {}},  {"second", "class", {}},
                         {"class", "softmax", {}}};
  network.probes = {{"class", "class", ProbeQuantity::kOutput, Lowpass{0.01}},
                    {"spikes", "first", ProbeQuantity::kSpikes, {}},
                    {"voltage", "second", ProbeQuantity::kVoltage, {}},
                    {"softmax", "softmax", ProbeQuantity::kOutput, {}}};
  network.tensors = {testing::Tensor("w", {3, 16}, std::vector<float>(48, 0.25F))};
  return network;
}

// Version 1 runs in exact mode, version 2 in reference mode.
void Publish(FuzzServer& server, std::int64_t version) {
  auto entry = std::make_unique<serving::NetworkEntry>();
  entry->name = "n";
  entry->version = version;
  entry->mode = version == 1 ? engine::Mode::kExact : engine::Mode::kReference;
  entry->network = std::make_shared<engine::Network>(engine::Network::Create(Definition(), {}).value());
  entry->resident = server.backend().Load(entry->network, entry->mode).value();
  server.registry().Publish(server.registry().BeginLoad("n", version, 0).value(), std::move(entry));
}

}  // namespace

FuzzServer& ServerWithNetwork() {
  static FuzzServer* server = [] {
    auto* made = new FuzzServer;  // lives as long as the process
    Publish(*made, 1);
    Publish(*made, 2);
    return made;
  }();
  return *server;
}

std::optional<serving::RunOutcome> Run(FuzzServer& server, const rpc::CheckedRequest& request,
                                       const std::function<void(const engine::Reading&)>& on_first_step) {
  const engine::CheckedSpec& spec = request.answer.spec;
  const engine::ResidentNetwork& resident = *request.answer.network->resident;
  const auto bytes = resident.EstimateRunBytes(spec, request.answer.samples);
  const auto reservation = server.budget().Reserve(bytes, "the run");
  if (!reservation.ok()) {
    return std::nullopt;
  }
  auto simulation = resident.NewSimulation(spec, request.samples);
  Require(simulation.ok(), "a request that passed its checks can be run");
  for (std::int64_t step = 0; step < spec->settings.steps; ++step) {
    Require(simulation.value()->Advance(1).ok(), "a run reaches its end");
    if (step == 0) {
      on_first_step(simulation.value()->Read().value());
    }
  }
  serving::RunOutcome outcome;
  outcome.reading = std::make_shared<const engine::Reading>(simulation.value()->Read().value());
  return outcome;
}

}  // namespace spikeserve::fuzz
