// What units that read counts may read, and what functions of the mean may be.

#include "server/engine/network/count_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/engine/network/network.h"
#include "tests/support/definitions.h"
#include "tests/support/memory_chains.h"

namespace spikeserve::engine {
namespace {

using ::testing::HasSubstr;

NeuronOperation Neurons(double amplitude) {
  return {MemoryRectifiedLinear{amplitude, std::nullopt, 0}, {}, {}, {}};
}

PoolOperation Maximum() { return {PoolKind::kMax, {2, 2}, {2, 2}, {0, 0}, {0, 0}, false}; }

// Two inputs -> neurons of each -> Concat -> MAX pool, and the Product of both.
NetworkDefinition Definition() {
  NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"a", InputOperation{{4, 4, 2}, {}, {}}},
                        {"b", InputOperation{{4, 4, 2}, {}, {}}},
                        {"first", Neurons(0.5)},
                        {"second", Neurons(0.5)},
                        {"both", ConcatOperation{2}},
                        {"pool", Maximum()},
                        {"product", ProductOperation{0.25, 2.0}}};
  network.connections = {{"a", "first", {}},       {"b", "second", {}},  {"first", "both", {}},
                         {"second", "both", {}},   {"both", "pool", {}}, {"first", "product", {}},
                         {"second", "product", {}}};
  network.probes = {{"largest", "pool", ProbeQuantity::kSpikes, {}},
                    {"output", "product", ProbeQuantity::kOutput, {}}};
  return network;
}

template <typename Kind>
Kind& Operation(NetworkDefinition& network, std::size_t index) {
  return std::get<Kind>(network.operations[index].kind);
}

TEST(CountReaders, AreUnitsOfTheirOwn) {
  const Result<Network> network = Network::Create(Definition(), {});
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_EQ(network.value().neurons(), 2 * 32 + 2 * 2 * 4 + 32);
  EXPECT_EQ(AmplitudeOf(network.value(), 5), 0.5);
  EXPECT_EQ(AmplitudeOf(network.value(), 6), 0.25);
}

struct Refusal {
  const char* name;
  std::function<void(NetworkDefinition&)> change;
  const char* text;
};

class CountReadersRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(CountReadersRefused, SaysWhatWhichGotWanted) {
  NetworkDefinition network = Definition();
  GetParam().change(network);
  const Status status = Network::Create(network, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    All, CountReadersRefused,
    ::testing::Values(
        Refusal{"OtherNeurons",
                [](auto& n) { Operation<NeuronOperation>(n, 2).model = IntegrateAndFire{0.5}; },
                "'pool': a MAX pool or a Product reads 'first'; wanted: neurons with memory"},
        Refusal{"AnInput", [](auto& n) { n.connections[5].source = "a"; },
                "'product': a MAX pool or a Product reads 'a'; wanted: neurons with memory"},
        Refusal{"ALinearResult",
                [](auto& n) {
                  n.operations[4].kind = WeightedSumOperation{{1, 1}};
                },
                "'pool': a MAX pool or a Product reads 'both'"},
        Refusal{"ASynapse", [](auto& n) { n.connections[5].synapse = Lowpass{0.005}; },
                "'product': a MAX pool or a Product reads 'first through a synapse or a delay'"},
        Refusal{"ADelay", [](auto& n) { n.connections[2].delay_steps = 1; },
                "'pool': a MAX pool or a Product reads 'first through a synapse or a delay'"},
        Refusal{"TwoAmplitudes", [](auto& n) { n.operations[3].kind = Neurons(0.75); },
                "'pool': a MAX pool or a Product reads spikes of amplitudes 0.5 and 0.75 by one connection"},
        Refusal{"ConcatAndZeros",
                [](auto& n) {
                  n.operations.push_back({"zeros", PadOperation{{1, 1, 0}, {1, 1, 0}}});
                  n.connections[4].source = "zeros";
                  n.connections.push_back({"both", "zeros", {}});
                },
                "'pool': a MAX pool or a Product reads a Concat and a Pad with zeros"},
        Refusal{"OneFactor", [](auto& n) { n.connections.pop_back(); },
                "'product': has 1 connections, wanted 2"},
        Refusal{"Shapes", [](auto& n) { n.connections[6].source = "pool"; },
                "'product': multiplies 4x4x2 and 2x2x4, wanted as many axes, each equal or 1"},
        Refusal{"Amplitude", [](auto& n) { Operation<ProductOperation>(n, 6).amplitude = 0; },
                "'product': amplitude is 0, wanted finite and not 0"},
        Refusal{"Scale", [](auto& n) { Operation<ProductOperation>(n, 6).output_scale = HUGE_VAL; },
                "'product': output_scale is inf, wanted a finite number"},
        Refusal{"Voltage", [](auto& n) { n.probes[0].quantity = ProbeQuantity::kVoltage; },
                "probe 'largest': reads the voltage of 'pool', which has none"},
        Refusal{"ScaleOfOthers", [](auto& n) { Operation<NeuronOperation>(n, 2).output_scale = 3.0; },
                "'first': output_scale is set, but the model is no memory_function"},
        Refusal{"NoFunction", [](auto& n) { Operation<NeuronOperation>(n, 2).model = MemoryFunction{}; },
                "'first': function is 0, wanted one that this server knows"},
        Refusal{"Alpha",
                [](auto& n) {
                  Operation<NeuronOperation>(n, 2).model = MemoryFunction{math::MeanFunction::kTanh, 1, 2};
                },
                "'first': alpha is 2, wanted 0 for any function but ELU and NORMALISE"},
        Refusal{
            "NoEpsilon",
            [](auto& n) {
              Operation<NeuronOperation>(n, 2).model = MemoryFunction{math::MeanFunction::kNormalise, 1, 0};
            },
            "'first': alpha is 0, wanted a finite number > 0"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(CountReaders, RowsHaveALimit) {
  NetworkDefinition network = testing::ChainOf(
      {{"input", InputOperation{{20000}, {}, {}}},
       {"neurons", NeuronOperation{MemoryFunction{math::MeanFunction::kSoftmax, 1, 0}, {}, {}, {}}}});
  EXPECT_THAT(Network::Create(network, {}).status().message(),
              HasSubstr("'neurons': its function takes rows of 20000 neurons, allowed are 16384"));
}

}  // namespace
}  // namespace spikeserve::engine
