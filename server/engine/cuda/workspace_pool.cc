#include "server/engine/cuda/workspace_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace spikeserve::engine {

std::unique_ptr<CudaWorkspace> CudaWorkspacePool::Take(const std::string& key) {
  const MutexLock lock(mu_);
  const auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const Idle& idle) { return idle.key == key; });
  if (found == idle_.end()) {
    return nullptr;
  }
  std::unique_ptr<CudaWorkspace> workspace = std::move(found->workspace);
  idle_.erase(found);
  return workspace;
}

void CudaWorkspacePool::Give(const std::string& key, std::unique_ptr<CudaWorkspace> workspace) {
  std::list<Idle> surplus;  // freed without the lock
  const MutexLock lock(mu_);
  idle_.push_front({key, std::move(workspace)});
  if (idle_.size() > kMostIdle) {
    surplus.splice(surplus.begin(), idle_, std::prev(idle_.end()));
  }
}

void CudaWorkspacePool::Drop(const std::string& prefix) {
  std::list<Idle> dropped;
  const MutexLock lock(mu_);
  for (auto it = idle_.begin(); it != idle_.end();) {
    const auto next = std::next(it);
    if (it->key.starts_with(prefix)) {
      dropped.splice(dropped.end(), idle_, it);
    }
    it = next;
  }
}

}  // namespace spikeserve::engine
