#pragma once

#include <cstdint>

#include "server/engine/cuda/layout/program.h"

namespace spikeserve::engine {

// Appends one chunk of `count` samples from `first` on through all layers.
void AppendGroup(const CudaScene& scene, std::int64_t steps, bool wide, std::int64_t first,
                 std::int64_t count, cuda::Program& program);

}  // namespace spikeserve::engine
