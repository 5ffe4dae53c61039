#pragma once

#include <cstdint>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/plan/linear_operator.h"

namespace spikeserve::engine {

// A way on which what a population emits reaches an operation: through linear operations only.
struct Path {
  std::int64_t source = 0;  // an operation that is a population
  Synapse synapse;
  std::int64_t delay_steps = 0;
  std::vector<Link>
      chain;  // source first; ends with the operation itself where that is linear or reads counts
};

// [operation]: the paths that reach it. An Input is reached by itself.
using Paths = std::vector<std::vector<Path>>;

// RESOURCE_EXHAUSTED where branches that join multiply beyond what a real network has.
Result<Paths> FindPaths(const Network& network);

}  // namespace spikeserve::engine
