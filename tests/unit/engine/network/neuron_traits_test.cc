// What the traits say of every model, against a table that is written by hand.

#include "server/engine/network/neuron_traits.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

template <typename Variant>
constexpr bool kComplete = false;
template <typename... Models>
constexpr bool kComplete<std::variant<std::monostate, Models...>> = (HasTraits<Models> && ...);
static_assert(kComplete<NeuronModel> && kComplete<RateModel>);

// A model that somebody forgot is refused by name when it is compiled.
struct Forgotten {};
struct Nameless {};
}  // namespace
template <>
struct NeuronTraits<Nameless> {
  using Step = math::rate::Tanh;
  static void Check(const Nameless&, ParameterRules&) {}
  static Step At(const Nameless&, double) { return {}; }
};
namespace {
static_assert(!HasTraits<Forgotten> && !HasTraits<Nameless>);

struct Row {
  NeuronModel model;
  const char* name;
  bool spiking, random, is_signed, charge;
  math::PerState<bool> states;
  double max_start;
};

std::vector<Row> Table() {
  constexpr math::PerState<bool> kVoltage{.voltage = true};
  return {{{}, "unknown", false, false, false, false, {}, 0},
          {SpikingRectifiedLinear{}, "spiking_rectified_linear", true, false, false, true, kVoltage, 1e6},
          {IntegrateAndFire{}, "integrate_and_fire", true, false, false, true, kVoltage, 1e6},
          {Lif{}, "lif", true, false, false, false, {.voltage = true, .refractory = true}, 1},
          {RectifiedLinear{}, "rectified_linear", false, false, false, false, {}, 0},
          {AdaptiveLif{},
           "adaptive_lif",
           true,
           false,
           false,
           false,
           {.voltage = true, .refractory = true, .adaptation = true},
           1},
          {Izhikevich{}, "izhikevich", true, false, false, false, {.voltage = true, .recovery = true}, 1e6},
          {SpikingLeakyRectifiedLinear{}, "spiking_leaky_rectified_linear", true, false, true, true, kVoltage,
           1e6},
          {LeakyRectifiedLinear{}, "leaky_rectified_linear", false, false, false, false, {}, 0},
          {Sigmoid{}, "sigmoid", false, false, false, false, {}, 0},
          {Tanh{}, "tanh", false, false, false, false, {}, 0},
          {LifRate{}, "lif_rate", false, false, false, false, {}, 0},
          {SoftLifRate{}, "soft_lif_rate", false, false, false, false, {}, 0},
          {AdaptiveLifRate{}, "adaptive_lif_rate", false, false, false, false, {.adaptation = true}, 0},
          {RegularSpiking{Tanh{}, 1}, "regular_spiking", true, false, true, false, kVoltage, 1e6},
          {StochasticSpiking{Tanh{}, 1}, "stochastic_spiking", true, true, true, false, {}, 0},
          {PoissonSpiking{Tanh{}, 1}, "poisson_spiking", true, true, true, false, {}, 0},
          {MemoryRectifiedLinear{}, "memory_rectified_linear", true, false, true, true, kVoltage, 1e6},
          {MemoryFunction{}, "memory_function", true, false, true, true, kVoltage, 1e6}};
}

TEST(NeuronTraits, AreThoseOfTheTable) {
  for (const Row& row : Table()) {
    SCOPED_TRACE(row.name);
    EXPECT_STREQ(NameOf(row.model), row.name);
    EXPECT_EQ(IsSpiking(row.model), row.spiking);
    EXPECT_EQ(IsRandom(row.model), row.random);
    EXPECT_EQ(IsSigned(row.model), row.is_signed);
    EXPECT_EQ(TakesCharge(row.model), row.charge);
    EXPECT_EQ(StatesOf(row.model), row.states);
    EXPECT_EQ(HasVoltage(row.model), row.states.voltage);
    EXPECT_EQ(MaxInitialVoltage(row.model), row.max_start);
  }
}

TEST(NeuronTraits, TableHasEveryModel) {
  ASSERT_EQ(Table().size(), std::variant_size_v<NeuronModel>);
  for (std::size_t i = 0; i < Table().size(); ++i) {
    EXPECT_EQ(Table()[i].model.index(), i);
  }
}

TEST(NeuronTraits, KeepWhatTheBaseKeeps) {
  EXPECT_EQ(StatesOf(RegularSpiking{AdaptiveLifRate{}, 1}),
            (math::PerState<bool>{.voltage = true, .adaptation = true}));
  EXPECT_FALSE(HasVoltage(StochasticSpiking{AdaptiveLifRate{}, 1}));
}

TEST(NeuronTraits, AmplitudeIsOfSpikesAlone) {
  EXPECT_EQ(SpikeAmplitude(Lif{.amplitude = 0.5}), 0.5);
  EXPECT_EQ(SpikeAmplitude(PoissonSpiking{Tanh{}, -2}), -2);
  EXPECT_EQ(SpikeAmplitude(LifRate{.amplitude = 0.5}), 1);
}

}  // namespace
}  // namespace spikeserve::engine
