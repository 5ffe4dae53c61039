#include "server/engine/cuda/layout/neurons.h"

#include <algorithm>

#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {

cuda::Emitter CudaEmitterOf(const NeuronConstants& neurons) {
  if (neurons.spikes) {
    return std::visit(
        [&]<typename Spikes>(const Spikes& spikes) -> cuda::Emitter {
          if constexpr (cuda::kTakesRate<Spikes>) {
            return cuda::OfRate<Spikes>{cuda::AnyRate(*neurons.rate), spikes};
          } else {
            return spikes;
          }
        },
        *neurons.spikes);
  }
  if (neurons.rate) {
    return std::visit([](const auto& rate) -> cuda::Emitter { return rate; }, *neurons.rate);
  }
  return cuda::Linear{};
}

math::PerState<bool> CudaStatesOf(const Layer& layer) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  // Those with memory are never stepped here.
  return neurons != nullptr && !Remembers(neurons->model) ? StatesOf(neurons->model) : math::PerState<bool>{};
}

bool HasRandomNeurons(const Plan& plan) {
  return std::any_of(plan.layers.begin(), plan.layers.end(), [](const Layer& layer) {
    const NeuronLayer* neurons = NeuronsOf(layer);
    return neurons != nullptr && IsRandom(neurons->model);
  });
}

}  // namespace spikeserve::engine
