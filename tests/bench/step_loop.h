#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/engine/samples/thread_pool.h"
#include "tests/bench/chain.h"
#include "tests/bench/products.h"

namespace spikeserve::bench {

// What the step loop knows that the chain says only indirectly: weights with gain, dt and spike height folded
// in.
struct FoldedChain {
  struct Layer {
    ChainLayer shape;                      // of the chain
    std::vector<float> weight;             // [out_channels, fan_in]
    std::vector<float> constant, voltage;  // [out_size]
    float decay = 0;                       // of the filter; 0 where the synapse is a pure delay
    bool delayed = false;                  // a synapse: it takes the spikes of the step before
  };
  std::vector<Layer> layers;
  bool probe_filter = false;
  float probe_decay = 0;
};
FoldedChain Fold(const Chain& chain);

// The obvious way to simulate: for every step, for every layer, one float32 matrix product and one pass over
// the neurons, as frameworks do it. Samples are split over the threads, each with a sequential OpenBLAS;
// where there are fewer samples than threads, OpenBLAS takes the threads. One run at a time.
class StepLoop {
 public:
  // `hoist`: the product of the constant input is made once instead of every step.
  StepLoop(const Chain& chain, std::int64_t steps, std::int64_t batch, engine::ThreadPool& pool, bool hoist);
  ~StepLoop();

  // Mean outputs [batch, out_size] of inputs [batch, in_size].
  std::vector<float> Run(std::span<const float> inputs);

 private:
  class Slice;
  FoldedChain chain_;
  std::int64_t batch_;
  engine::ThreadPool& pool_;
  std::vector<std::unique_ptr<Slice>> slices_;
};

}  // namespace spikeserve::bench
