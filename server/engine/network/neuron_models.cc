#include "server/engine/network/neuron_models.h"

#include "server/engine/network/neuron_traits.h"

namespace spikeserve::engine {
namespace {

template <typename Traits>
using StepOf = typename Traits::Step;

}  // namespace

const char* NameOf(const NeuronModel& model) {
  return AskTraits(model, "unknown", [](auto traits, const auto&) { return traits.kName; });
}

bool IsSpiking(const NeuronModel& model) {
  return AskTraits(model, false, []<typename Model>(auto, const Model&) { return kIsSpiking<Model>; });
}

math::PerState<bool> StatesOf(const NeuronModel& model) {
  const math::PerState<bool> none;
  return AskTraits(model, none, [&none]<typename Traits, typename Model>(Traits, const Model& kind) {
    constexpr math::PerState<bool> kOwn = StepOf<Traits>::kStates;
    if constexpr (SpikesOfRate<Model>) {
      return kOwn | AskTraits(kind.base, none,
                              []<typename Base>(Base, const auto&) { return StepOf<Base>::kStates; });
    } else {
      return kOwn;
    }
  });
}

bool HasVoltage(const NeuronModel& model) { return StatesOf(model).voltage; }

double MaxInitialVoltage(const NeuronModel& model) {
  return AskTraits(model, 0.0, []<typename Traits>(Traits, const auto&) {
    if constexpr (StepOf<Traits>::kStates.voltage) {
      return Traits::kMaxStart;
    } else {
      return 0.0;
    }
  });
}

bool IsRandom(const NeuronModel& model) {
  return AskTraits(model, false,
                   []<typename Traits>(Traits, const auto&) { return math::kDraws<StepOf<Traits>>; });
}

bool IsSigned(const NeuronModel& model) {
  return AskTraits(model, false, []<typename Traits, typename Model>(Traits, const Model&) {
    if constexpr (kIsSpiking<Model>) {
      return StepOf<Traits>::kSigned;
    } else {
      return false;
    }
  });
}

bool Remembers(const NeuronModel& model) {
  return AskTraits(model, false, []<typename Model>(auto, const Model&) { return kRemembers<Model>; });
}

bool TakesCharge(const NeuronModel& model) {
  return AskTraits(model, false, []<typename Traits, typename Model>(Traits, const Model&) {
    if constexpr (kIsSpiking<Model>) {
      return StepOf<Traits>::kInput == math::StepInput::kCharge;
    } else {
      return false;
    }
  });
}

bool SendsSpikes(const OperationKind& kind) {
  const auto* neuron = std::get_if<NeuronOperation>(&kind);
  return ReadsCounts(kind) || (neuron != nullptr && IsSpiking(neuron->model));
}

double SpikeAmplitude(const NeuronModel& model) {
  return AskTraits(model, 1.0, []<typename Model>(auto, const Model& kind) {
    if constexpr (kIsSpiking<Model>) {
      return kind.amplitude;
    } else {
      return 1.0;
    }
  });
}

}  // namespace spikeserve::engine
