#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/networks/aliases.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_repository.h"
#include "server/serving/store/folder_scan.h"
#include "server/serving/task_thread.h"

namespace spikeserve::serving {

// Something that a look at the repository came to, told once.
struct StoreEvent {
  enum class Kind {
    kLoaded,
    kExchanged,
    kUnloaded,
    kSkipped,
    kAliasesRead,
    kAliasesSkipped,
    kLookFailed,
    kLookRecovered
  };
  Kind kind = Kind::kLoaded;
  StoredVersion version;  // of the first four; its name of aliases
  std::string message;
};

// How the looks at a repository went, since the start.
struct WatchReading {
  std::int64_t looks = 0;
  std::int64_t failed = 0;  // of these: the folder, or something in it, could not be seen
  std::optional<std::chrono::system_clock::time_point> last_success;
  std::string error;         // of the last look; empty where it succeeded
  std::int64_t skipped = 0;  // files that are there and cannot be loaded as they are
};

// Follows a repository that others write to: looks at it once in a while, loads versions that have come,
// exchanges those whose files have changed, unloads those whose files are gone, takes up aliases. It needs
// nothing from the file system but reading, and takes nothing that is not all there: a file says itself how
// long it is and what its digest is. What cannot be seen stays as it is.
class RepositoryWatch {
 public:
  // Called by the thread that looks.
  using Tell = std::function<void(const StoreEvent& event)>;

  // Loads and unloads as one of `tasks`, which have those of clients, too. All of them outlive this.
  RepositoryWatch(const NetworkRepository& repository, const NetworkLoader& loader, Aliases& aliases,
                  TaskThread& tasks, Tell tell);
  RepositoryWatch(const RepositoryWatch&) = delete;
  RepositoryWatch& operator=(const RepositoryWatch&) = delete;
  // As Stop.
  ~RepositoryWatch() = default;

  // Looks once, and does what is to do; by one thread at a time, and not once it has started.
  void Look();
  // Looks every so often, by a thread of its own.
  void Start(std::chrono::milliseconds period);
  // No more; waits for a look under way.
  void Stop() { thread_ = {}; }

  WatchReading reading() const;

 private:
  enum class Progress {
    kNew,      // to be loaded
    kPartial,  // not whole at the last look; so it stays, if nobody writes to it any more
    kLoaded,
    kSkipped,  // until the file changes
    kDelayed   // to be tried again after some looks
  };
  // A file, as it was at the last look that saw it.
  struct Known {
    FileState state = {};
    Progress progress = Progress::kNew;
    bool loaded = false;          // in this state or an earlier one
    bool told = false;            // that it cannot be loaded in this state
    int absences = 0;             // looks in a row that did not find it
    std::int64_t looks_left = 0;  // of a delay
    std::int64_t delay = 1;       // in looks
  };

  // The aliases of a network, as they were at the last look that took them up.
  struct KnownAliases {
    std::optional<FileState> state;
    int absences = 0;
  };

  Status LookAtFolder();
  void Follow(const VersionKey& key, const FileState& state);
  void Load(const VersionKey& key, Known& known);
  void TakeFailure(const VersionKey& key, Known& known, const Status& status);
  void TellSkipped(const VersionKey& key, Known& known, const Status& status);
  // What could not be read now, and may be later.
  Status FollowAliases(const FolderScan& scan);
  Status ReadAliases(const std::string& name, std::optional<FileState> state, KnownAliases& known);
  void ForgetAbsent(const FolderScan& scan);
  bool Forget(const VersionKey& key);
  void Report(const Status& status);
  Status OnTaskThread(const std::function<Status()>& work);
  void Run(const std::stop_token& stop, std::chrono::milliseconds period);

  const NetworkRepository& repository_;
  const NetworkLoader& loader_;
  Aliases& aliases_;
  TaskThread& tasks_;
  const Tell tell_;
  std::map<VersionKey, Known> known_;  // of the thread that looks
  std::map<std::string, KnownAliases> known_aliases_;
  bool was_used_ = false;  // whether there were versions, or the lock of an owner
  mutable Mutex mu_;
  WatchReading reading_ SPIKESERVE_GUARDED_BY(mu_);
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: uses what is above
};

}  // namespace spikeserve::serving
