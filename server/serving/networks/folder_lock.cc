#include "server/serving/networks/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/networks/disk_error.h"

namespace spikeserve::serving {
namespace {

constexpr std::size_t kMaxHolderBytes = 300;  // a number and the name of a machine

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string("?");
}

// Whether the name certainly stands for another file by now, or for none: not where the disk does not say.
bool IsReplaced(int descriptor, const std::filesystem::path& path) {
  struct stat open {};
  struct stat named {};
  if (stat(path.c_str(), &named) != 0) {
    return errno == ENOENT || errno == ENOTDIR;
  }
  return fstat(descriptor, &open) != 0 || open.st_ino != named.st_ino || open.st_dev != named.st_dev;
}

// Of flock: what says that nobody can lock this file, rather than that somebody has.
bool HasNoLocks(int error) {
  return error == ENOLCK || error == ENOTSUP || error == ENOSYS || error == EINVAL || error == EBADF;
}

// Takes the lock of an open file. 0, or the errno that says why not: EWOULDBLOCK where somebody else has it.
int LockError(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

// For people to read: a disk without room for it keeps nobody from owning it.
void WriteHolder(const OpenFile& file) {
  const std::string holder = "process " + std::to_string(getpid()) + " on " + HostName();
  if (ftruncate(file.get(), 0) == 0) {
    static_cast<void>(pwrite(file.get(), holder.data(), holder.size(), 0));
  }
}

}  // namespace

FolderLock::FolderLock(std::filesystem::path folder, bool may_own, Prepare prepare, Listener listener)
    : folder_(std::move(folder)),
      path_(folder_ / kLockFileName),
      may_own_(may_own),
      prepare_(std::move(prepare)),
      listener_(std::move(listener)) {}

Standing FolderLock::Take() {
  const MutexLock disk_lock(disk_mu_);
  const Standing before = standing();
  Standing now = TryToTake(before);
  const bool news = !std::exchange(tried_, true) || now.ownership != before.ownership;
  if (news && now.may_write.ok()) {
    prepare_();
  }
  {
    const MutexLock lock(mu_);
    standing_ = now;
  }
  if (news && listener_) {
    listener_(now);
  }
  return now;
}

Standing FolderLock::standing() const {
  const MutexLock lock(mu_);
  return standing_;
}

Standing FolderLock::TryToTake(const Standing& before) {
  if (!may_own_) {
    return {Ownership::kFollower,
            FailedPrecondition("this server follows " + folder_.string() +
                               " (--repository-role follower) and writes nothing there: load and unload on "
                               "the server that owns it" +
                               Holder() + ", or change the files in the folder")};
  }
  if (lock_.valid() && !IsReplaced(lock_.get(), path_)) {
    return before;
  }
  lock_ = {};  // of a file that is gone, and would stand in the way of its successor
  return Lock();
}

Standing FolderLock::Lock() {
  std::error_code ignored;
  if (tried_ && std::filesystem::is_empty(folder_, ignored)) {
    return {Ownership::kUnable,
            FailedPrecondition(folder_.string() +
                               " is empty, as the place of a disk is that is not mounted, and it was not "
                               "before: nothing is written there; where it is to be used as it is, restart "
                               "the server")};
  }
  OpenFile written(path_, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (!written.valid()) {
    const Status failed = DiskError(errno, "open", path_);
    return {
        Ownership::kUnable,
        Status(failed.code(),
               failed.message() + "; load and unload on a server that may write to the folder" + Holder())};
  }
  // Held by a file that is open for reading, so that the disk can still be made read-only. Disks of other
  // machines may have such locks for files that are open for writing alone.
  OpenFile held(path_, O_RDONLY | O_NOFOLLOW);
  int error = LockError(held.get());
  if (error == EBADF) {
    held = OpenFile(path_, O_RDWR | O_NOFOLLOW);
    error = LockError(held.get());
  }
  if (held.valid() && HasNoLocks(error)) {
    return {Ownership::kUnlocked, {}};
  }
  if (held.valid() && error != 0) {
    return {Ownership::kFollower,
            FailedPrecondition("another server owns " + folder_.string() + Holder() +
                               ": load and unload there. It holds the lock " + path_.string())};
  }
  if (!held.valid() || IsReplaced(held.get(), path_) || IsReplaced(written.get(), path_)) {
    return {Ownership::kUnable,
            Unavailable(path_.string() + " was replaced while it was being locked; try again")};
  }
  WriteHolder(written);
  lock_ = std::move(held);
  return {Ownership::kOwner, {}};
}

// Who wrote the lock last, in brackets; empty where nobody did.
std::string FolderLock::Holder() const {
  const OpenFile file(path_, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  std::array<char, kMaxHolderBytes> text{};
  const ssize_t size = file.valid() ? pread(file.get(), text.data(), text.size(), 0) : 0;
  if (size <= 0) {
    return {};
  }
  return " (" + Quote(std::string(text.data(), static_cast<std::size_t>(size))) + ")";
}

}  // namespace spikeserve::serving
