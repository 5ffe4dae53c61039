#pragma once

namespace spikeserve::engine {

// Which loops the CPU runs exact and fast mode with. The results are the same to the bit; tests compare them.
// kEvents and kDigits force one of the vector kernels where it can run a layer at all, kChanges that of
// events by what changes from step to step where that can be.
enum class CpuPath { kAuto, kPlain, kEvents, kChanges, kDigits };

}  // namespace spikeserve::engine
