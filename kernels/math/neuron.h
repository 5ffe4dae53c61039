#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/math/annotations.h"
#include "kernels/math/random.h"

// What the neuron types of spiking.h and rate.h have in common. Each is a functor: its constants at one dt,
// what it keeps from step to step (kStates), and one step in float32, which takes
//   (input)                where it keeps nothing,
//   (input, state)         where it keeps something,
//   (input, state, site)   where it draws random numbers.
// All of them are built without contraction. Definitions: Nengo's neuron types (Bekolay et al., "Nengo: a
// Python tool for building large-scale functional brain models", 2014), restated in docs/semantics.md.
namespace spikeserve::math {

// One T for each thing that some neuron type keeps: its value, its array, or whether a type keeps it.
template <typename T>
struct PerState {
  T voltage{};
  T refractory{};  // steps left
  T recovery{};    // of the membrane, of Izhikevich
  T adaptation{};  // what is taken from the current

  bool operator==(const PerState&) const = default;
};

using NeuronState = PerState<float>;

// Calls visit(of the first table, of the second, ...) for each state.
template <typename Visit, typename... Tables>
SPIKESERVE_HOST_DEVICE constexpr void ForEachState(Visit visit, Tables&&... tables) {
  visit(tables.voltage...);
  visit(tables.refractory...);
  visit(tables.recovery...);
  visit(tables.adaptation...);
}

// What either keeps.
SPIKESERVE_HOST_DEVICE constexpr PerState<bool> operator|(PerState<bool> a, const PerState<bool>& b) {
  ForEachState([](bool& kept, bool too) { kept = kept || too; }, a, b);
  return a;
}

// What element `at` of the arrays holds of what the neuron keeps, and its way back.
template <typename Neuron>
SPIKESERVE_HOST_DEVICE NeuronState LoadState(const PerState<float*>& arrays, std::int64_t at) {
  constexpr PerState<bool> kKept = Neuron::kStates;
  NeuronState state;
  ForEachState(
      [at](bool kept, float& value, const float* array) {
        if (kept) {
          value = array[at];
        }
      },
      kKept, state, arrays);
  return state;
}
template <typename Neuron>
SPIKESERVE_HOST_DEVICE void StoreState(const NeuronState& state, const PerState<float*>& arrays,
                                       std::int64_t at) {
  constexpr PerState<bool> kKept = Neuron::kStates;
  ForEachState(
      [at](bool kept, float value, float* array) {
        if (kept) {
          array[at] = value;
        }
      },
      kKept, state, arrays);
}

// One neuron of one sample at one step, counted from 0, as draws of random numbers see it.
struct DrawSite {
  RandomStream stream;
  std::uint32_t neuron = 0;
  std::uint32_t step = 0;
};

template <typename Neuron>
constexpr bool kDraws = std::is_invocable_v<const Neuron&, float, NeuronState&, const DrawSite&>;

// One step of any neuron.
template <typename Neuron>
SPIKESERVE_HOST_DEVICE float Step(const Neuron& neuron, float input, [[maybe_unused]] NeuronState& state,
                                  [[maybe_unused]] const DrawSite& site) {
  if constexpr (kDraws<Neuron>) {
    return neuron(input, state, site);
  } else if constexpr (std::is_invocable_v<const Neuron&, float, NeuronState&>) {
    return neuron(input, state);
  } else {
    return neuron(input);
  }
}

}  // namespace spikeserve::math
