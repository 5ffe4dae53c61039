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

  Workspace(Run made, std::int64_t count) : run(std::move(made)), threads(static_cast<std::size_t>(count)) {}

  Run run;
  std::vector<Thread> threads;
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
    for (const Kept& one : spaces_) {
      kept_.Remove(one.bytes);
    }
  }
  WorkspaceCache(const WorkspaceCache&) = delete;
  WorkspaceCache& operator=(const WorkspaceCache&) = delete;

  // One that was made for this spec, or null.
  std::unique_ptr<Space> Take(const CheckedSpec& spec) {
    const MutexLock lock(mu_);
    for (Kept& one : spaces_) {
      if (one.space->run.spec == spec) {
        std::swap(one, spaces_.back());
        std::unique_ptr<Space> space = std::move(spaces_.back().space);
        kept_.Remove(spaces_.back().bytes);
        spaces_.pop_back();
        return space;
      }
    }
    return nullptr;
  }

  // Keeps it in place of the oldest, if its `bytes`, an upper bound, may be kept.
  void Put(std::unique_ptr<Space> space, std::int64_t bytes) {
    const MutexLock lock(mu_);
    if (spaces_.size() == kMost) {
      kept_.Remove(spaces_.front().bytes);
      spaces_.erase(spaces_.begin());
    }
    if (kept_.Add(bytes)) {
      spaces_.push_back({std::move(space), bytes});
    }
  }

 private:
  static constexpr std::size_t kMost = 4;
  struct Kept {
    std::unique_ptr<Space> space;
    std::int64_t bytes = 0;
  };

  KeptBytes& kept_;
  Mutex mu_;
  std::vector<Kept> spaces_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::engine
