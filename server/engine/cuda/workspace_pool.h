#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "server/base/mutex.h"
#include "server/engine/cuda/workspace.h"

namespace spikeserve::engine {

// Workspaces that no batch uses at the moment. Thread-safe.
class CudaWorkspacePool {
 public:
  // One that fits, or null.
  std::unique_ptr<CudaWorkspace> Take(const std::string& key);
  void Give(const std::string& key, std::unique_ptr<CudaWorkspace> workspace);
  // Frees those whose key starts with `prefix`; all for "".
  void Drop(const std::string& prefix);

 private:
  static constexpr std::size_t kMostIdle = 16;

  struct Idle {
    std::string key;
    std::unique_ptr<CudaWorkspace> workspace;
  };
  Mutex mu_;
  std::list<Idle> idle_ SPIKESERVE_GUARDED_BY(mu_);  // the one used last in front
};

}  // namespace spikeserve::engine
