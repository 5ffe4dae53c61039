#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/packed_weights.h"
#include "server/engine/plan/plan.h"

namespace spikeserve::engine {

// Weights of a term that a linear readout reads, as floats: packed where the product is dense.
struct ReadoutTerm {
  std::vector<float> floats;
  kernels::PackedWeights<float> packed;
};
using ReadoutWeights = std::vector<std::vector<ReadoutTerm>>;  // [layer][term], empty where no readout reads

ReadoutWeights MakeReadoutWeights(const Plan& plan);
std::int64_t ReadoutWeightsBytes(const ReadoutWeights& weights);

}  // namespace spikeserve::engine
