#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tests/bench/chain.h"

namespace spikeserve::bench {

// The float network that a chain was converted from, in oneDNN: one pass, ReLU fused into the products,
// weights brought into oneDNN's own layout beforehand. One run at a time, on `threads` OpenMP threads.
class FloatForward {
 public:
  FloatForward(const Chain& chain, std::int64_t batch, std::int64_t threads);
  ~FloatForward();

  // Outputs [batch, out_size] of inputs [batch, in_size]; valid until the next run.
  std::span<const float> Run(std::span<const float> inputs);

 private:
  class Program;
  std::unique_ptr<Program> program_;
};

}  // namespace spikeserve::bench
