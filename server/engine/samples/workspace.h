#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::engine {

// What one simulation works with and the next one with the same spec may take over, so that serving requests
// of one kind allocates nothing: the run, and per thread the buffers and the samples of a group.
template <typename R, typename S, typename B>
struct Workspace {
  using Run = R;
  using Sample = S;
  using Scratch = B;
  struct Thread {
    std::unique_ptr<Scratch> scratch;  // made when first needed
    std::vector<Sample> group;
  };

  // `most_bytes`: upper bound of what it takes while no simulation uses it.
  Workspace(Run made, std::int64_t count, std::int64_t most_bytes)
      : run(std::move(made)), threads(static_cast<std::size_t>(count)), bytes(most_bytes) {}

  Run run;
  std::vector<Thread> threads;
  const std::int64_t bytes;
};

// Bytes that the workspaces kept for later may take, of all networks of a backend together. Thread-safe.
class KeptBytes {
 public:
  static constexpr std::int64_t kMost = std::int64_t{256} << 20;  // of upper bounds, several times what it is

  // Whether `bytes` more may be kept; counts them if so.
  bool Add(std::int64_t bytes) {
    if (bytes_.fetch_add(bytes) + bytes <= kMost) {
      return true;
    }
    bytes_ -= bytes;
    return false;
  }
  void Remove(std::int64_t bytes) { bytes_ -= bytes; }

 private:
  std::atomic<std::int64_t> bytes_ = 0;
};

// Workspaces of one network that no simulation uses. Thread-safe.
template <typename Space>
class WorkspaceCache {
 public:
  // `kept` outlives the cache.
  explicit WorkspaceCache(KeptBytes& kept) : kept_(kept) {}
  ~WorkspaceCache() {
    for (const std::unique_ptr<Space>& space : spaces_) {
      kept_.Remove(space->bytes);
    }
  }
  WorkspaceCache(const WorkspaceCache&) = delete;
  WorkspaceCache& operator=(const WorkspaceCache&) = delete;

  // One that was made for this spec, or null.
  std::unique_ptr<Space> Take(const CheckedSpec& spec) {
    const MutexLock lock(mu_);
    for (std::unique_ptr<Space>& kept : spaces_) {
      if (kept->run.spec == spec) {
        std::swap(kept, spaces_.back());
        std::unique_ptr<Space> space = std::move(spaces_.back());
        spaces_.pop_back();
        kept_.Remove(space->bytes);
        return space;
      }
    }
    return nullptr;
  }

  // Keeps it in place of the oldest, if its bytes may be kept.
  void Put(std::unique_ptr<Space> space) {
    const MutexLock lock(mu_);
    if (spaces_.size() == kMost) {
      kept_.Remove(spaces_.front()->bytes);
      spaces_.erase(spaces_.begin());
    }
    if (kept_.Add(space->bytes)) {
      spaces_.push_back(std::move(space));
    }
  }

 private:
  static constexpr std::size_t kMost = 4;

  KeptBytes& kept_;
  Mutex mu_;
  std::vector<std::unique_ptr<Space>> spaces_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::engine
