#include "server/engine/run/constants/neuron_constants.h"

#include "server/engine/network/neuron_models.h"
#include "server/engine/network/neuron_traits.h"

namespace spikeserve::engine {

NeuronConstants MakeNeuronConstants(const NeuronModel& model, double dt_s) {
  return AskTraits(model, NeuronConstants{}, [&]<typename Traits, typename Model>(Traits, const Model& kind) {
    NeuronConstants constants;
    constants.is_signed = IsSigned(model);
    if constexpr (kRemembers<Model>) {
      constants.remembers = true;
    } else if constexpr (kIsSpiking<Model>) {
      constants.spikes = Traits::At(kind, dt_s);
    } else {
      constants.rate = Traits::At(kind, dt_s);
    }
    if constexpr (SpikesOfRate<Model>) {
      constants.rate = AskTraits(kind.base, constants.rate,
                                 [dt_s](auto base, const auto& rate) { return base.At(rate, dt_s); });
    }
    return constants;
  });
}

double CurrentUnit(const NeuronModel& model, double dt_s) { return TakesCharge(model) ? dt_s : 1.0; }

math::DrawSite DrawsOf(const SimulationSpec& spec, std::int64_t sample, std::int64_t operation,
                       std::int64_t step) {
  return {{spec.settings.seed.value_or(0), static_cast<std::uint32_t>(sample),
           static_cast<std::uint32_t>(operation)},
          0,
          static_cast<std::uint32_t>(step)};
}

}  // namespace spikeserve::engine
