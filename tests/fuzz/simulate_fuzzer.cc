// The bytes of a SimulateRequest against a small resident network, through everything that a call does
// between the wire and the wire: parsing, every check, the run, the answer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/rpc/decode/checked_request.h"
#include "server/rpc/encode/encode_response.h"
#include "server/rpc/wire/wire.h"
#include "tests/fuzz/fuzz_server.h"
#include "tests/support/definitions.h"

namespace spikeserve::fuzz {
namespace {

constexpr std::array<int, 2> kInputData{v1::SimulateRequest::kInputsFieldNumber, v1::Array::kDataFieldNumber};
// What a response holds beside its tensors: names, settings, statistics, and the tags of its fields.
constexpr std::int64_t kResponseOverhead = 4096;

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

FuzzServer& Server() {
  static FuzzServer* server = [] {
    auto* made = new FuzzServer;  // lives as long as the process
    Publish(*made, 1);
    Publish(*made, 2);
    return made;
  }();
  return *server;
}

void RunAndAnswer(FuzzServer& server, const rpc::CheckedRequest& request) {
  const engine::CheckedSpec& spec = request.answer.spec;
  const engine::ResidentNetwork& resident = *request.answer.network->resident;
  const auto bytes = resident.EstimateRunBytes(spec, request.answer.samples);
  const auto reservation = server.budget().Reserve(bytes, "the run");
  if (!reservation.ok()) {
    return;
  }
  auto simulation = resident.NewSimulation(spec, request.samples);
  Require(simulation.ok(), "a request that passed its checks can be run");
  serving::RunOutcome outcome;
  for (std::int64_t step = 0; step < spec->settings.steps; ++step) {
    Require(simulation.value()->Advance(1).ok(), "a run reaches its end");
    if (step == 0) {
      Require(rpc::EncodeProgress(request.answer, simulation.value()->Read().value()).steps_done() == 1,
              "progress tells how far it is");
    }
  }
  outcome.reading = simulation.value()->Read().value();
  const v1::SimulateResponse response = rpc::EncodeResponse(request.answer, outcome, 0.5);
  Require(
      static_cast<std::int64_t>(response.ByteSizeLong()) <= request.answer.response_bytes + kResponseOverhead,
      "a response is no larger than announced");
}

void Simulate(FuzzServer& server, std::string_view bytes) {
  if (!rpc::CheckStructure(bytes, kInputData, server.limits().max_structure_bytes).ok()) {
    return;
  }
  v1::SimulateRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return;
  }
  auto network = server.registry().Get("n", request.version() == 2 ? 2 : 1);
  const auto checked = rpc::CheckRequest(request, std::move(network).value(), server.limits(), true);
  if (checked.ok()) {
    RunAndAnswer(server, checked.value());
  } else {
    Require(!checked.status().message().empty(), "a refusal says why");
    Require(checked.status().code() != StatusCode::kInternal, "no input is the server's own fault");
  }
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeserve;
  fuzz::FuzzServer& server = fuzz::Server();
  fuzz::Simulate(server, {reinterpret_cast<const char*>(data), size});
  fuzz::Require(server.budget().used_bytes() == 0, "an answered request holds no memory");
  return 0;
}
