#pragma once

#include <functional>

namespace spikeserve {

// Asked now and then by long work, from any of its threads; true ends the work early, with CANCELLED.
using StopCheck = std::function<bool()>;

}  // namespace spikeserve
