#include "server/app/machine_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace spikeserve::app {

std::int64_t MachineMemoryBytes() {
  std::int64_t bytes = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  // Control groups, version 2 and 1. "max" is no number, and then there is no limit.
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    std::int64_t limit = 0;
    if (file >> limit && limit > 0) {
      bytes = std::min(bytes, limit);
    }
  }
  return bytes;
}

std::int64_t BudgetBytes(const Config& config, const engine::Backend& backend) {
  if (config.memory_budget_bytes > 0) {
    return config.memory_budget_bytes;
  }
  const std::int64_t device = backend.memory_bytes();
  const std::int64_t machine = MachineMemoryBytes();
  return (device > 0 ? std::min(device, machine) : machine) / 4 * 3;
}

}  // namespace spikeserve::app
