#pragma once

#include <cstdint>
#include <vector>

#include "kernels/math/product.h"
#include "server/base/status.h"
#include "server/base/stop_check.h"
#include "server/engine/network/network.h"
#include "server/engine/plan/linear_operator.h"
#include "server/engine/plan/quantise.h"

namespace spikeserve::engine {

// Weights a composed chain of linear operations may have.
constexpr std::int64_t kMaxComposedWeights = std::int64_t{1} << 26;

// Which forms of the weights a product keeps: integers for spikes and bytes, floats for real values.
struct WeightForms {
  bool integers = false;
  bool floats = false;
  std::int32_t largest_integer = kExactLargestWeight;  // in magnitude
  bool sparse = false;                                 // as a sparse matrix, whatever the chain is
  std::vector<double>* doubles = nullptr;  // where the weights go as they are, without the row scale
  const StopCheck* stopped = nullptr;      // asked while weights are composed

  bool Stopped() const { return stopped != nullptr && *stopped && (*stopped)(); }
};

// Whether the operation is a matrix over so many channels at each position by itself, or at some if
// `strided`.
bool MixesChannels(const Network& network, Link link, std::int64_t channels, bool strided);

// Turns a chain of linear operations, source first, into one product. Index and sum operations before one
// Affine or Conv become its gather, matrices over the channels behind it part of its weights, scalings its
// row scale; any other chain is composed into a sparse matrix. An empty chain is the identity.
// RESOURCE_EXHAUSTED where the sparse matrix would pass max_entries, INVALID_ARGUMENT where a composed weight
// overflows.
Result<kernels::Product> LowerChain(const Network& network, std::int64_t source,
                                    const std::vector<Link>& chain, WeightForms forms,
                                    std::int64_t max_entries);

}  // namespace spikeserve::engine
