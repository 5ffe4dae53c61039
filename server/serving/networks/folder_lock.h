#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/networks/open_file.h"

namespace spikeserve::serving {

// The file at the top of a repository that its owner holds a lock on. It stays when the owner ends, as
// deleting it would let two servers lock two files of one name; so it also tells a repository from the empty
// folder that a disk which is not mounted leaves.
inline constexpr std::string_view kLockFileName = ".spikeserve-owner";

// What a server is to a repository.
enum class Ownership {
  kOwner,     // holds the lock
  kUnlocked,  // writes without one, as the file system has no locks
  kFollower,  // another server holds it, or this one was told to follow
  kUnable     // the file cannot be locked: a disk that is read-only or broken, a folder that is gone
};

// Whether this server owns the repository, once it has tried to.
struct Standing {
  Ownership ownership = Ownership::kFollower;
  // OK where it may write; else FAILED_PRECONDITION, or the failure of the disk, with who owns the repository
  // and what to do.
  Status may_write;
};

// Tells one owner of a folder from those that follow it, by a lock that the system takes back when a process
// ends, however it ends. Thread-safe.
class FolderLock {
 public:
  // Told when the ownership changes, the first time too. Must return at once.
  using Listener = std::function<void(const Standing& standing)>;
  // Called when the lock was taken, before anybody is told that it was.
  using Prepare = std::function<void()>;

  // Without `may_own` it never takes the lock.
  FolderLock(std::filesystem::path folder, bool may_own, Prepare prepare, Listener listener);

  // Takes the lock if it can be had, and sees to it that it still is this folder's. Waits for the disk.
  Standing Take();
  // As of the last Take; waits for nothing.
  Standing standing() const;

 private:
  Standing TryToTake(const Standing& before) SPIKESERVE_REQUIRES(disk_mu_);
  Standing Lock() SPIKESERVE_REQUIRES(disk_mu_);
  std::string Holder() const;

  const std::filesystem::path folder_;
  const std::filesystem::path path_;
  const bool may_own_;
  const Prepare prepare_;
  const Listener listener_;
  Mutex disk_mu_;                                  // held while the disk is asked
  OpenFile lock_ SPIKESERVE_GUARDED_BY(disk_mu_);  // not valid where it is not held
  bool tried_ SPIKESERVE_GUARDED_BY(disk_mu_) = false;
  mutable Mutex mu_;
  Standing standing_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
