#pragma once

#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace spikeserve {

// Cores that this process may use, at least one. std::thread::hardware_concurrency counts all of the machine,
// also where a container or taskset leaves the process a few: threads beyond these take turns on them, with
// each other and with those that answer calls.
inline std::int64_t UsableCores() {
  constexpr std::size_t kMostSets = 64;  // of 1,024 cores each
  for (std::size_t sets = 1; sets <= kMostSets; sets *= 2) {
    std::vector<cpu_set_t> cores(sets);
    const std::size_t bytes = sets * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, cores.data()) == 0) {
      return std::max(1, CPU_COUNT_S(bytes, cores.data()));
    }
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace spikeserve
