#include "tests/bench/step_loop.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "server/engine/network/index.h"

namespace spikeserve::bench {
namespace {

using engine::Index;

float Decay(const engine::Synapse& synapse, double dt) {
  // Below 0.03 dt Nengo takes a lowpass for a pure delay.
  if (!synapse) {
    return 0.0F;
  }
  const auto* lowpass = std::get_if<engine::Lowpass>(&*synapse);
  if (lowpass == nullptr) {
    throw std::invalid_argument("the step loop knows no synapse but Lowpass");
  }
  return lowpass->tau > 0.03 * dt ? static_cast<float>(std::exp(-dt / lowpass->tau)) : 0.0F;
}

// Voltage gained per step and unit of S; 1 in the last layer, which has no neurons.
double StepGain(const ChainLayer& layer, std::int64_t neuron, double dt) {
  return layer.spiking ? layer.gain[Index(neuron)] * dt : 1.0;
}

void FoldInto(const ChainLayer& layer, double height, double dt, FoldedChain::Layer& folded) {
  folded.weight = layer.weight;
  folded.constant.resize(Index(layer.out_size()));
  for (std::int64_t out = 0; out < layer.out_channels; ++out) {
    for (std::int64_t k = 0; k < layer.fan_in(); ++k) {
      float& weight = folded.weight[Index(out * layer.fan_in() + k)];
      weight = static_cast<float>(weight * StepGain(layer, out, dt) * height);
    }
  }
  for (std::int64_t i = 0; i < layer.out_size(); ++i) {
    const double bias = layer.bias[Index(i % layer.out_channels)];
    const double offset = layer.spiking ? layer.offset[Index(i)] * dt : 0.0;
    folded.constant[Index(i)] = static_cast<float>(bias * StepGain(layer, i, dt) + offset);
  }
}

}  // namespace

FoldedChain Fold(const Chain& chain) {
  const double dt = chain.defaults.dt;
  FoldedChain result;
  double height = 1;  // of a spike of the layer before
  for (const ChainLayer& layer : chain.layers) {
    FoldedChain::Layer folded;
    folded.shape = layer;
    folded.delayed = layer.synapse.has_value();
    folded.decay = Decay(layer.synapse, dt);
    folded.voltage.assign(layer.voltage.begin(), layer.voltage.end());
    if (layer.kind != ChainLayer::Kind::kPool) {
      FoldInto(layer, height, dt, folded);
      height = layer.spiking ? layer.amplitude / dt : 1.0;
    }
    result.layers.push_back(std::move(folded));
  }
  result.probe_filter = chain.probe_synapse.has_value();
  result.probe_decay = Decay(chain.probe_synapse, dt);
  return result;
}

// The state of some of the samples.
class StepLoop::Slice {
 public:
  Slice(const FoldedChain& chain, std::int64_t samples, std::int64_t steps, bool hoist)
      : chain_(chain), samples_(samples), steps_(steps), hoist_(hoist) {
    for (const FoldedChain::Layer& layer : chain.layers) {
      products_.emplace_back(layer.shape, layer.weight);
      const std::size_t size = Index(samples * layer.shape.out_size());
      currents_.emplace_back(size);
      filters_.emplace_back(layer.delayed ? size : 0);
      voltages_.emplace_back(layer.shape.spiking ? size : 0);
      sent_.emplace_back(layer.shape.remembers ? size : 0);
      counts_.emplace_back(layer.shape.spiking ? size : 0);
    }
    mean_.resize(currents_.back().size());
    probe_.resize(currents_.back().size());
  }

  std::int64_t samples() const { return samples_; }

  void Run(std::span<const float> inputs, std::span<float> out) {
    inputs_ = inputs;
    Reset();
    for (std::int64_t step = 0; step < steps_; ++step) {
      for (std::size_t layer = 0; layer < chain_.layers.size(); ++layer) {
        // Made once, or made with the product behind it when its spikes came.
        const bool known = (hoist_ && layer == 0 && step > 0) || (IsPool(layer) && IsBehindFilter(layer));
        if (!chain_.layers[layer].delayed && !known) {
          Product(layer);
        }
        Step(layer);
      }
      // A filtered layer takes these spikes one step later.
      for (std::size_t layer = 0; layer < chain_.layers.size(); ++layer) {
        const std::size_t next = NextProduct(layer);
        if (next < chain_.layers.size() && chain_.layers[next].delayed) {
          ProductOfDelayed(layer, next);
        }
      }
    }
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      out[i] = mean_[i] / static_cast<float>(steps_);
    }
  }

 private:
  void Reset() {
    std::fill(mean_.begin(), mean_.end(), 0.0F);
    std::fill(probe_.begin(), probe_.end(), 0.0F);
    for (std::size_t layer = 0; layer < chain_.layers.size(); ++layer) {
      std::fill(filters_[layer].begin(), filters_[layer].end(), 0.0F);
      std::fill(currents_[layer].begin(), currents_[layer].end(), 0.0F);
      std::fill(sent_[layer].begin(), sent_[layer].end(), 0.0F);
      const std::vector<float>& start = chain_.layers[layer].voltage;
      for (std::size_t at = 0; at < voltages_[layer].size(); at += start.size()) {
        std::copy(start.begin(), start.end(), voltages_[layer].begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
  }

  bool IsPool(std::size_t layer) const { return chain_.layers[layer].shape.kind == ChainLayer::Kind::kPool; }
  bool IsBehindFilter(std::size_t pool) const {
    while (IsPool(pool)) {
      ++pool;
    }
    return chain_.layers[pool].delayed;
  }
  // The product that reads what a spiking layer emits.
  std::size_t NextProduct(std::size_t layer) const {
    if (IsPool(layer)) {
      return chain_.layers.size();
    }
    std::size_t next = layer + 1;
    while (next < chain_.layers.size() && IsPool(next)) {
      ++next;
    }
    return next;
  }
  std::span<const float> Source(std::size_t layer) const {
    if (layer == 0) {
      return inputs_;
    }
    return chain_.layers[layer - 1].shape.spiking ? counts_[layer - 1] : currents_[layer - 1];
  }
  void Product(std::size_t layer) { products_[layer].Run(Source(layer), samples_, currents_[layer]); }
  void ProductOfDelayed(std::size_t layer, std::size_t next) {
    for (std::size_t at = layer + 1; at <= next; ++at) {
      Product(at);
    }
  }

  void Step(std::size_t layer) {
    if (IsPool(layer)) {
      return;
    }
    const FoldedChain::Layer& folded = chain_.layers[layer];
    std::span<float> current = currents_[layer];
    if (folded.delayed) {
      const float decay = folded.decay;
      for (std::size_t i = 0; i < current.size(); ++i) {
        filters_[layer][i] = decay * filters_[layer][i] + (1 - decay) * current[i];
      }
      current = filters_[layer];
    }
    for (std::int64_t sample = 0; sample < samples_; ++sample) {
      const std::size_t first = Index(sample) * folded.constant.size();
      if (!folded.shape.spiking) {
        Accumulate(folded, current.subspan(first), first);
      } else if (folded.shape.remembers) {
        Memory(folded, current.data() + first, &voltages_[layer][first], &sent_[layer][first],
               &counts_[layer][first]);
      } else if (folded.shape.rectified) {
        Neurons<true>(folded, current.data() + first, &voltages_[layer][first], &counts_[layer][first]);
      } else {
        Neurons<false>(folded, current.data() + first, &voltages_[layer][first], &counts_[layer][first]);
      }
    }
  }

  template <bool kRectified>
  static void Neurons(const FoldedChain::Layer& layer, const float* __restrict current,
                      float* __restrict voltage, float* __restrict count) {
    const float* __restrict constant = layer.constant.data();
    const std::size_t size = layer.constant.size();
    for (std::size_t i = 0; i < size; ++i) {
      const float gained = current[i] + constant[i];
      const float v = voltage[i] + (kRectified ? std::max(gained, 0.0F) : gained);
      const float spikes = kRectified ? std::floor(v) : std::max(std::floor(v), 0.0F);
      voltage[i] = v - spikes;
      count[i] = spikes;
    }
  }

  static void Memory(const FoldedChain::Layer& layer, const float* __restrict current,
                     float* __restrict voltage, float* __restrict sent, float* __restrict count) {
    const float* __restrict constant = layer.constant.data();
    const std::size_t size = layer.constant.size();
    for (std::size_t i = 0; i < size; ++i) {
      voltage[i] += current[i] + constant[i];
      const float all = std::max(std::floor(voltage[i]), 0.0F);
      count[i] = all - sent[i];
      sent[i] = all;
    }
  }

  // Adds to the mean what the probe shows.
  void Accumulate(const FoldedChain::Layer& layer, std::span<const float> current, std::size_t first) {
    for (std::size_t i = 0; i < layer.constant.size(); ++i) {
      const float output = current[i] + layer.constant[i];
      float& probe = probe_[first + i];
      mean_[first + i] += chain_.probe_filter ? probe : output;
      probe = chain_.probe_decay * probe + (1 - chain_.probe_decay) * output;
    }
  }

  const FoldedChain& chain_;
  std::int64_t samples_, steps_;
  bool hoist_;
  std::span<const float> inputs_;
  std::vector<BlasLayer> products_;
  std::vector<std::vector<float>> currents_, filters_, voltages_, sent_, counts_;  // [layer]
  std::vector<float> mean_, probe_;
};

StepLoop::StepLoop(const Chain& chain, std::int64_t steps, std::int64_t batch, engine::ThreadPool& pool,
                   bool hoist)
    : chain_(Fold(chain)), batch_(batch), pool_(pool) {
  const std::int64_t slices = batch >= pool.threads() ? pool.threads() : 1;
  for (std::int64_t i = 0; i < slices; ++i) {
    const std::int64_t samples = batch * (i + 1) / slices - batch * i / slices;
    slices_.push_back(std::make_unique<Slice>(chain_, samples, steps, hoist));
  }
}

StepLoop::~StepLoop() = default;

std::vector<float> StepLoop::Run(std::span<const float> inputs) {
  const auto count = static_cast<std::int64_t>(slices_.size());
  openblas_set_num_threads(count == 1 ? static_cast<int>(pool_.threads()) : 1);
  const std::size_t in_size = inputs.size() / Index(batch_);
  const std::size_t out_size = Index(chain_.layers.back().shape.out_size());
  std::vector<float> outputs(Index(batch_) * out_size);
  const auto run = [&](std::int64_t slice, std::int64_t) {
    const std::size_t first = Index(batch_ * slice / count);
    const std::size_t samples = Index(slices_[Index(slice)]->samples());
    slices_[Index(slice)]->Run(inputs.subspan(first * in_size, samples * in_size),
                               std::span(outputs).subspan(first * out_size, samples * out_size));
  };
  if (count == 1) {
    run(0, 0);
  } else {
    pool_.For(count, run);
  }
  return outputs;
}

}  // namespace spikeserve::bench
