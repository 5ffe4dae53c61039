#pragma once

#include <memory>

#include "server/base/status.h"
#include "server/engine/run/backend.h"

namespace spikeserve::engine {

// All GPUs of this machine that work. FAILED_PRECONDITION, in one line, where this build or this machine has
// none. `cpu` runs reference mode.
Result<std::unique_ptr<Backend>> MakeCudaBackend(std::unique_ptr<Backend> cpu);

}  // namespace spikeserve::engine
