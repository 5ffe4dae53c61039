#pragma once

#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "server/base/cpu_quota.h"

namespace spikeserve {

// Cores that this process may run on, at least one.
inline std::int64_t AllowedCores() {
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

// Cores that this process may keep busy, at least one. std::thread::hardware_concurrency counts all of the
// machine, also where a container or taskset leaves the process a few: threads beyond these take turns on
// them, with each other and with those that answer calls. A part of a core is left to the latter: with more
// threads at work than there is time for, all would stand still at the end of each period.
inline std::int64_t UsableCores() {
  const std::int64_t allowed = AllowedCores();
  const std::optional<double> quota = CpuQuota::Cores();
  if (!quota || *quota >= static_cast<double>(allowed)) {
    return allowed;
  }
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(*quota));
}

}  // namespace spikeserve
