#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/engine/cpu/cpu_path.h"
#include "server/engine/run/backend.h"

namespace spikeserve::engine {

constexpr std::int64_t kMaxThreads = 1024;

struct BackendOptions {
  std::string kind = "auto";  // auto | cpu | cuda
  std::int64_t threads = 0;   // CPU worker threads; 0: one per core
  CpuPath cpu_path = CpuPath::kAuto;
};

// INVALID_ARGUMENT for an unknown kind, FAILED_PRECONDITION for one this machine lacks. `auto` takes a GPU
// that works and else the CPU; `reason`, where given, says then why no GPU is used.
Result<std::unique_ptr<Backend>> MakeBackend(const BackendOptions& options, std::string* reason = nullptr);

}  // namespace spikeserve::engine
