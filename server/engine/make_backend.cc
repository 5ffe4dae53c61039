#include "server/engine/make_backend.h"

#include <algorithm>

#include "server/base/cores.h"
#include "server/engine/cpu/cpu_backend.h"
#include "server/engine/cuda/make_cuda_backend.h"

namespace spikeserve::engine {

Result<std::unique_ptr<Backend>> MakeBackend(const BackendOptions& options, std::string* reason) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return InvalidArgument("threads: got " + std::to_string(options.threads) +
                           ", wanted 0 (one per core) to " + std::to_string(kMaxThreads));
  }
  if (options.kind != "cpu" && options.kind != "cuda" && options.kind != "auto") {
    return InvalidArgument("backend: got '" + options.kind + "', wanted auto, cpu or cuda");
  }
  const auto make_cpu = [&] {
    return std::make_unique<CpuBackend>(options.threads > 0 ? options.threads : UsableCores(),
                                        options.cpu_path);
  };
  if (options.kind != "cpu") {
    Result<std::unique_ptr<Backend>> gpu = MakeCudaBackend(make_cpu());
    if (gpu.ok() || options.kind == "cuda") {
      return gpu;
    }
    if (reason != nullptr) {
      *reason = gpu.status().message();
    }
  }
  return std::unique_ptr<Backend>(make_cpu());
}

}  // namespace spikeserve::engine
