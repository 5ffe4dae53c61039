#include "server/serving/networks/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "server/serving/networks/disk_error.h"
#include "server/serving/networks/open_file.h"

namespace spikeserve::serving {
namespace {

bool WriteAll(int descriptor, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = write(descriptor, data.data(), data.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return false;
    }
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Status WriteUnfinished(const std::filesystem::path& path, const std::vector<std::string_view>& parts) {
  std::int64_t bytes = 0;
  for (const std::string_view part : parts) {
    bytes += static_cast<std::int64_t>(part.size());
  }
  const OpenFile file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!file.valid()) {
    return DiskError(errno, "open", path, bytes);
  }
  for (const std::string_view part : parts) {
    if (!WriteAll(file.get(), part)) {
      return DiskError(errno, "write", path, bytes);
    }
  }
  if (fsync(file.get()) != 0) {
    return DiskError(errno, "fsync", path, bytes);
  }
  return {};
}

// Gives the file its name, but never another file's: where the file system cannot promise that in one
// call, a look before has to do.
Status Publish(const std::filesystem::path& unfinished, const std::filesystem::path& target) {
  if (renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) {
    return {};
  }
  if (errno == EEXIST) {
    return AlreadyExists(target.string() + " is already stored");
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return DiskError(errno, "rename", unfinished);
  }
  std::error_code ignored;
  if (std::filesystem::exists(target, ignored)) {
    return AlreadyExists(target.string() + " is already stored");
  }
  if (rename(unfinished.c_str(), target.c_str()) != 0) {
    return DiskError(errno, "rename", unfinished);
  }
  return {};
}

}  // namespace

Status WriteDurably(const std::filesystem::path& target, const std::vector<std::string_view>& parts) {
  const std::filesystem::path unfinished = target.parent_path() / kUnfinishedFile;
  Status status = WriteUnfinished(unfinished, parts);
  if (status.ok()) {
    status = Publish(unfinished, target);
  }
  std::error_code ignored;
  if (!status.ok()) {
    std::filesystem::remove(unfinished, ignored);
    return status;
  }
  status = SyncFolder(target.parent_path());
  if (!status.ok()) {
    std::filesystem::remove(target, ignored);
  }
  return status;
}

Status SyncFolder(const std::filesystem::path& folder) {
  const OpenFile file(folder, O_RDONLY | O_DIRECTORY);
  if (!file.valid()) {
    return DiskError(errno, "open", folder);
  }
  if (fsync(file.get()) != 0) {
    return DiskError(errno, "fsync", folder);
  }
  return {};
}

}  // namespace spikeserve::serving
