// What Network::Create refuses about neuron models, synapses and delays: a test for every check of
// neuron_rules.cc and synapse_rules.cc beyond those of the plain models.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <ostream>

#include "server/engine/network/network.h"
#include "server/engine/network/neuron_models.h"
#include "tests/support/definitions.h"

namespace spikeserve::engine {
namespace {

using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Row {
  NeuronModel model;
  const char* message;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.message; }

class ModelRefused : public ::testing::TestWithParam<Row> {};

TEST_P(ModelRefused, ByName) {
  const NetworkDefinition network =
      testing::SingleOperation(NeuronOperation{GetParam().model, {}, {}, {}}, {2});
  const Status status = Network::Create(network, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(std::string("operation 'op': ") + GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, ModelRefused,
    ::testing::Values(
        Row{IntegrateAndFire{1, 0.5}, "min_voltage is 0.5"}, Row{AdaptiveLif{.tau_rc = -1}, "tau_rc is -1"},
        Row{AdaptiveLif{.tau_ref = -1}, "tau_ref is -1"},
        Row{AdaptiveLif{.min_voltage = 2}, "min_voltage is 2"},
        Row{AdaptiveLif{.amplitude = 0}, "amplitude is 0"}, Row{AdaptiveLif{.tau_n = 0}, "tau_n is 0"},
        Row{AdaptiveLif{.inc_n = kNan}, "inc_n is nan"},
        Row{Izhikevich{.tau_recovery = kNan}, "tau_recovery is nan"},
        Row{Izhikevich{.coupling = kNan}, "coupling is nan"},
        Row{Izhikevich{.reset_voltage = 30}, "reset_voltage is 30, wanted a finite number below 30 mV"},
        Row{Izhikevich{.reset_recovery = kNan}, "reset_recovery is nan"},
        Row{Izhikevich{.amplitude = 0}, "amplitude is 0"},
        Row{SpikingLeakyRectifiedLinear{-0.1, 1}, "negative_slope is -0.1"},
        Row{LeakyRectifiedLinear{kNan, 1}, "negative_slope is nan"}, Row{Sigmoid{0}, "tau_ref is 0"},
        Row{Tanh{-1}, "tau_ref is -1"}, Row{LifRate{.tau_rc = 0}, "tau_rc is 0"},
        Row{SoftLifRate{.sigma = 0}, "sigma is 0"}, Row{AdaptiveLifRate{.tau_n = -2}, "tau_n is -2"},
        Row{RegularSpiking{{}, 1}, "base has no rate model set"},
        Row{StochasticSpiking{Tanh{0}, 1}, "base: tau_ref is 0"},
        Row{PoissonSpiking{Tanh{1}, 0}, "amplitude is 0"}));

TEST(Refusals, VoltagesOfModelsThatHaveNone) {
  for (const NeuronModel& model : {NeuronModel(Tanh{1}), NeuronModel(PoissonSpiking{Tanh{1}, 1})}) {
    NetworkDefinition network = testing::SingleOperation(NeuronOperation{model, {}, {}, ZeroVoltage{}}, {2});
    EXPECT_THAT(Network::Create(network, {}).status().message(),
                HasSubstr("operation 'op': initial_voltage is set, but the model has no voltage"));
    network = testing::SingleOperation(NeuronOperation{model, {}, {}, {}}, {2});
    network.probes[0].quantity = ProbeQuantity::kVoltage;
    EXPECT_THAT(Network::Create(network, {}).status().message(), HasSubstr("reads"));
  }
}

TEST(Refusals, SynapsesAndDelays) {
  struct Case {
    Synapse synapse;
    std::int64_t delay;
    const char* message;
  };
  const Case cases[] = {
      {Alpha{-1}, 0, ": alpha tau is -1 s"},
      {Triangle{kNan}, 0, ": triangle t is nan s"},
      {LinearFilter{{1}, {}, false}, 0, ": linear_filter has 1 and 0 coefficients"},
      {LinearFilter{{}, {1}, false}, 0, ": linear_filter has 0 and 1 coefficients"},
      {LinearFilter{{1}, {1, 2, 3, 4, 5, 6}, false}, 0, "wanted den with 1..5"},
      {LinearFilter{{1, 1}, {1}, false}, 0, ": linear_filter has 2 and 1 coefficients"},
      {LinearFilter{{1}, {0, 1}, false}, 0, ": linear_filter den[0] is 0"},
      {LinearFilter{{kNan}, {1, 1}, false}, 0, ": linear_filter has a coefficient that is not finite"},
      {LinearFilter{{1}, {1e-200, 1e200}, false}, 0, ": linear_filter has a coefficient"},
      {LinearFilter{{1}, {1, -1}, false}, 0,
       ": linear_filter is unstable: a root of den lies on or right of 0"},
      {LinearFilter{{1}, {1, -1.5}, true}, 0, "on or outside of the unit circle"},
      {std::nullopt, -1, ": delay_steps is -1, wanted 0..4096"},
      {Alpha{0.1}, 4097, ": delay_steps is 4097, wanted 0..4096"},
  };
  for (const Case& row : cases) {
    NetworkDefinition network = testing::SmallMlp();
    network.connections[2].synapse = row.synapse;
    network.connections[2].delay_steps = row.delay;
    const std::string of_connection = Network::Create(network, {}).status().message();
    EXPECT_THAT(of_connection, HasSubstr("connection 2"));
    EXPECT_THAT(of_connection, HasSubstr(row.message));
    network = testing::SmallMlp();
    network.probes[0].synapse = row.synapse;
    network.probes[0].delay_steps = row.delay;
    const std::string of_probe = Network::Create(network, {}).status().message();
    EXPECT_THAT(of_probe, HasSubstr("probe 'output'"));
    EXPECT_THAT(of_probe, HasSubstr(row.message));
  }
}

TEST(Refusals, DelaysBehindLinearOperations) {
  NetworkDefinition network = testing::SmallMlp();
  network.connections[1].delay_steps = 2;
  EXPECT_THAT(Network::Create(network, {}).status().message(),
              HasSubstr("connection 1: has a synapse or a delay, but its source 'dense'"));
}

// One answer holds what is wrong with neurons, connections and probes.
TEST(Refusals, AllAtOnce) {
  NetworkDefinition network = testing::SmallMlp();
  std::get<NeuronOperation>(network.operations[2].kind).model = Lif{-1, -1, 1, 0};
  network.connections[2].synapse = Lowpass{-1};
  network.probes[0].synapse = Alpha{-1};
  const std::string message = Network::Create(network, {}).status().message();
  for (const char* part :
       {"6 violations", "tau_rc is -1", "tau_ref is -1", "min_voltage is 1", "amplitude is 0",
        "connection 2: lowpass tau is -1", "probe 'output': alpha tau is -1"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

}  // namespace
}  // namespace spikeserve::engine
