#pragma once

#include <cstddef>
#include <variant>

#include "kernels/math/annotations.h"
#include "kernels/math/neuron.h"
#include "kernels/math/rate.h"
#include "kernels/math/spiking.h"

// What becomes of the summed current in a scan: a functor like the neurons of kernels/math, which are among
// them. A kernel is compiled for each; those that make spikes of a rate look up which one, the same for all
// threads.
namespace spikeserve::cuda {

// Itself.
struct Sum {
  static constexpr math::PerState<bool> kStates = {};
};

// Plus the bias.
struct Linear {
  static constexpr math::PerState<bool> kStates = {};

  float bias_factor = 1;
};

// Any of the rate functions, with room for each of them: std::variant does not run on a device.
template <typename Functions>
class AnyOf;
template <typename... Functions>
class AnyOf<std::variant<Functions...>> : Functions... {
 public:
  static constexpr math::PerState<bool> kStates = (Functions::kStates | ...);

  explicit AnyOf(const std::variant<Functions...>& function) : index_(function.index()) {
    std::visit([this]<typename Function>(const Function& which) { static_cast<Function&>(*this) = which; },
               function);
  }

  SPIKESERVE_HOST_DEVICE float operator()(float current, math::NeuronState& state) const {
    return From<0>(current, state);
  }

 private:
  // Of the function at index_, which is none before kIndex.
  template <std::size_t kIndex>
  SPIKESERVE_HOST_DEVICE float From(float current, math::NeuronState& state) const {
    using Function = std::variant_alternative_t<kIndex, std::variant<Functions...>>;
    if constexpr (kIndex + 1 < sizeof...(Functions)) {
      if (index_ != kIndex) {
        return From<kIndex + 1>(current, state);
      }
    }
    return math::Step(static_cast<const Function&>(*this), current, state, {});
  }

  std::size_t index_;
};
using AnyRate = AnyOf<math::rate::Function>;

// Spikes of a rate.
template <typename Spikes>
struct OfRate {
  static constexpr bool kSigned = Spikes::kSigned;
  static constexpr math::PerState<bool> kStates = Spikes::kStates | AnyRate::kStates;

  AnyRate rate;
  Spikes spikes;

  SPIKESERVE_HOST_DEVICE float operator()(float current, math::NeuronState& state) const
    requires(!math::kDraws<Spikes>)
  {
    return math::Step(spikes, rate(current, state), state, {});
  }
  SPIKESERVE_HOST_DEVICE float operator()(float current, math::NeuronState& state,
                                          const math::DrawSite& site) const
    requires math::kDraws<Spikes>
  {
    return math::Step(spikes, rate(current, state), state, site);
  }
};

template <typename Spikes>
constexpr bool kTakesRate = Spikes::kInput == math::StepInput::kRate;

template <typename Rates, typename Spikes>
struct Emitters;
template <typename... Rates, typename... Spikes>
struct Emitters<std::variant<Rates...>, std::variant<Spikes...>> {
  using Type =
      std::variant<Sum, Linear, Rates..., std::conditional_t<kTakesRate<Spikes>, OfRate<Spikes>, Spikes>...>;
};
// The first two and the rates give values, the others spikes.
using Emitter = Emitters<math::rate::Function, math::spiking::Function>::Type;

}  // namespace spikeserve::cuda
