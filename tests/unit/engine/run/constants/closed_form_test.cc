#include "server/engine/run/constants/closed_form.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "server/engine/plan/compile.h"
#include "tests/support/definitions.h"
#include "tests/support/random_network.h"

namespace spikeserve::engine {
namespace {

using ::spikeserve::testing::Tensor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// input [2] -> a -> b -> output, with neurons of these models.
NetworkDefinition Chain(NeuronModel a, NeuronModel b) {
  NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"input", InputOperation{{2}, {}, {}}},
                        {"a", NeuronOperation{std::move(a), 100.0, {}, {}}},
                        {"b", NeuronOperation{std::move(b), 100.0, {}, {}}},
                        {"output", AffineOperation{"w", ""}}};
  network.connections = {{"input", "a", {}}, {"a", "b", {}}, {"b", "output", {}}};
  network.probes = {{"output", "output", ProbeQuantity::kOutput, {}}};
  network.tensors = {Tensor("w", {1, 2}, {1, 2})};
  return network;
}

SimulationSpec Spec() {
  SimulationSpec spec;
  spec.inputs = {{}};
  spec.probes = {0};
  return spec;
}

std::vector<ClosedLayer> PlanOf(NetworkDefinition definition, SimulationSpec spec) {
  auto network = std::make_shared<Network>(Network::Create(std::move(definition), {}).value());
  const Plan plan = Compile(network).value();
  return PlanClosedForm(LayerUse(plan, CheckedSpec::Create(*network, std::move(spec)).value()));
}

TEST(ClosedForm, IsThatOfAllLayersWithMemory) {
  const auto layers = PlanOf(Chain(MemoryRectifiedLinear{}, MemoryRectifiedLinear{}), Spec());
  EXPECT_THAT(layers[0].ages, ElementsAre(0));
  EXPECT_THAT(layers[0].sources, ElementsAre(ChargeSource::kHeld));
  EXPECT_THAT(layers[1].ages, ElementsAre(0));
  EXPECT_THAT(layers[1].sources, ElementsAre(ChargeSource::kClosed));
  EXPECT_FALSE(layers[2].closed());
}

TEST(ClosedForm, StepsUpstreamOfWhatLivesOnSteps) {
  const auto layers = PlanOf(Chain(MemoryRectifiedLinear{}, IntegrateAndFire{}), Spec());
  EXPECT_THAT(layers[0].ages, IsEmpty());
  EXPECT_THAT(layers[1].ages, IsEmpty());
}

TEST(ClosedForm, NeedsTotalsBehindWhatLivesOnSteps) {
  const auto layers = PlanOf(Chain(IntegrateAndFire{}, MemoryRectifiedLinear{}), Spec());
  EXPECT_THAT(layers[0].ages, IsEmpty());
  EXPECT_THAT(layers[1].ages, ElementsAre(0));
  EXPECT_THAT(layers[1].sources, ElementsAre(ChargeSource::kTotals));
}

TEST(ClosedForm, NeedsTotalsOfBytesThatVary) {
  NetworkDefinition network = Chain(MemoryRectifiedLinear{}, MemoryRectifiedLinear{});
  std::get<InputOperation>(network.operations[0].kind).uint8_scale = 0.5;
  SimulationSpec spec = Spec();
  spec.inputs = {{DataType::kUint8, true}};
  EXPECT_THAT(PlanOf(network, spec)[0].sources, ElementsAre(ChargeSource::kTotals));
  spec.settings.dt_s = 0.5 * kDefaultDt;  // rows are cut for the network's own
  EXPECT_THAT(PlanOf(network, spec)[0].sources, ElementsAre(ChargeSource::kSteps));
  spec.settings.dt_s = kDefaultDt;
  spec.inputs[0] = {DataType::kUint8, false, Encoding{.kind = EncodingKind::kPoisson, .max_rate_hz = 100}};
  EXPECT_THAT(PlanOf(network, spec)[0].sources, ElementsAre(ChargeSource::kSteps));
}

TEST(ClosedForm, PassesAgesOnThroughDelays) {
  NetworkDefinition network = Chain(MemoryRectifiedLinear{}, MemoryRectifiedLinear{});
  network.connections[0].delay_steps = 2;
  network.connections[1].synapse = Lowpass{0};  // late by a step
  SimulationSpec spec = Spec();
  EXPECT_THAT(PlanOf(network, spec)[0].ages, ElementsAre(0, 1));
  spec.settings.readout.kind = ReadoutKind::kLast;
  EXPECT_THAT(PlanOf(network, spec)[0].ages, ElementsAre(0, 1, 2));
  EXPECT_THAT(PlanOf(network, spec)[1].ages, ElementsAre(0, 1));
}

// Every layer doubles the lengths of the ways to the output.
TEST(ClosedForm, StepsWhereWaysOfTooManyLengthsMeet) {
  constexpr int kLayers = 200;
  NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"n0", InputOperation{{2}, {}, {}}}};
  for (int l = 1; l <= kLayers; ++l) {
    const std::string source = "n" + std::to_string(l - 1), target = "n" + std::to_string(l);
    const std::string sum = "s" + std::to_string(l);
    network.operations.push_back({sum, WeightedSumOperation{{1, 1}}});
    network.operations.push_back({target, NeuronOperation{MemoryRectifiedLinear{}, 1.0, {}, {}}});
    network.connections.push_back({source, sum, {}});
    network.connections.push_back({source, sum, {}, 17 * l});
    network.connections.push_back({sum, target, {}});
  }
  network.operations.push_back({"output", AffineOperation{"w", ""}});
  network.connections.push_back({"n" + std::to_string(kLayers), "output", {}});
  network.probes = {{"output", "output", ProbeQuantity::kOutput, {}}};
  network.tensors = {Tensor("w", {1, 2}, {1, 2})};
  const auto layers = PlanOf(network, Spec());
  EXPECT_TRUE(layers[kLayers - 1].closed());
  EXPECT_FALSE(layers[0].closed());
  for (const ClosedLayer& layer : layers) {
    EXPECT_LE(layer.ages.size(), 8U);
  }
}

TEST(ClosedForm, IsNotTakenWhereStepsAreWanted) {
  NetworkDefinition network = Chain(MemoryRectifiedLinear{}, MemoryRectifiedLinear{});
  SimulationSpec spec = Spec();
  spec.trajectories = true;
  EXPECT_FALSE(PlanOf(network, spec)[1].closed());
  spec = Spec();
  spec.session = true;
  EXPECT_FALSE(PlanOf(network, spec)[1].closed());
  spec = Spec();
  spec.request_probes.emplace_back().operation = 1;
  EXPECT_FALSE(PlanOf(network, spec)[0].closed());
  EXPECT_TRUE(PlanOf(network, spec)[1].closed());
  network.connections[2].synapse = Lowpass{0.01};
  EXPECT_FALSE(PlanOf(network, Spec())[1].closed());
}

TEST(ClosedForm, IsThatOfMostRandomNetworks) {
  int closed = 0, mixed = 0;
  constexpr int kNetworks = 120;
  for (int seed = 1; seed <= kNetworks; ++seed) {
    testing::RandomNetwork random = testing::MakeMemoryNetwork(static_cast<std::uint64_t>(seed));
    auto network = std::make_shared<Network>(Network::Create(std::move(random.definition), {}).value());
    const Plan plan = Compile(network).value();
    const std::vector<ClosedLayer> layers =
        PlanClosedForm(LayerUse(plan, CheckedSpec::Create(*network, std::move(random.spec)).value()));
    bool any = false, all = true;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      any = any || layers[l].closed();
      all = all && (layers[l].closed() || !plan.layers[l].emits());
    }
    closed += any ? 1 : 0;
    mixed += any && !all ? 1 : 0;
  }
  EXPECT_GE(closed, 2 * kNetworks / 5);
  EXPECT_GE(mixed, kNetworks / 10);
}

}  // namespace
}  // namespace spikeserve::engine
