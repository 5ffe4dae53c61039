#include "server/engine/backend.h"

#include <algorithm>
#include <thread>

#include "server/engine/cpu_backend.h"

namespace spikeserve::engine {

Result<std::unique_ptr<Backend>> MakeBackend(const BackendOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return InvalidArgument("threads: got " + std::to_string(options.threads) + ", wanted 0 (one per core) to " +
                           std::to_string(kMaxThreads));
  }
  if (options.kind == "cuda") {
    return FailedPrecondition("backend cuda: this build has no CUDA backend; use cpu or auto");
  }
  if (options.kind != "cpu" && options.kind != "auto") {
    return InvalidArgument("backend: got '" + options.kind + "', wanted auto, cpu or cuda");
  }
  const auto cores = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  return std::unique_ptr<Backend>(std::make_unique<CpuBackend>(options.threads > 0 ? options.threads : cores, options.cpu_path));
}

}  // namespace spikeserve::engine
