#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "server/engine/plan/plan.h"

namespace spikeserve::engine {

// Of a Pool of kind MAX: the zeros that a Pad has added count as well.
template <typename T>
void TakeZeros(const NeuronLayer& units, std::span<T> largest) {
  for (std::size_t j = 0; j < units.zeros.size(); ++j) {
    largest[j] = units.zeros[j] != 0 ? std::max(largest[j], T{0}) : largest[j];
  }
}

}  // namespace spikeserve::engine
