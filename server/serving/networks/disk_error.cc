#include "server/serving/networks/disk_error.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <optional>
#include <string>
#include <system_error>

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

// What is left of a disk for those who are not root.
struct Free {
  std::string folder;  // that was asked
  std::int64_t bytes = 0;
  bool files = true;  // whether there is room for one more
};

// Of the disk of `path`, which need not exist yet.
std::optional<Free> FreeOf(fs::path path) {
  std::error_code ignored;
  while (!fs::exists(path, ignored) && path.has_parent_path() && path != path.parent_path()) {
    path = path.parent_path();
  }
  struct statvfs disk {};
  if (statvfs(path.c_str(), &disk) != 0) {
    return std::nullopt;
  }
  return Free{path.string(),
              static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize),
              disk.f_files == 0 || disk.f_favail > 0};
}

std::string Describe(const Free& free, std::int64_t needed_bytes) {
  std::string text = "the disk of " + free.folder + " has ";
  if (needed_bytes > 0) {
    text += std::to_string(free.bytes) + " bytes free, and " + std::to_string(needed_bytes) + " are needed";
  } else {
    text += std::to_string(free.bytes) + " bytes free";
  }
  return text + (free.files ? "" : "; it has no room for one more file (no free inodes)");
}

constexpr std::string_view kMakeRoom = "; unload networks that are not needed, or give the disk more room";

}  // namespace

Status DiskError(int error, std::string_view call, const fs::path& path, std::int64_t needed_bytes) {
  std::string what = std::string(call) + " " + path.string() + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT: {
      const auto free = FreeOf(path.parent_path());
      what += free ? ": " + Describe(*free, needed_bytes) : "";
      return ResourceExhausted(what +
                               (error == EDQUOT ? " (a quota of this server's user may be less)" : "") +
                               std::string(kMakeRoom));
    }
    case EFBIG:
      return ResourceExhausted(what + ": " + std::to_string(needed_bytes) +
                               " bytes are needed, more than one file may have here (ulimit -f)");
    case EROFS:
      return FailedPrecondition(what +
                                ": networks are neither stored nor deleted on a disk that is read-only");
    case EACCES:
    case EPERM: return FailedPrecondition(what + ": this server's user may not write to the folder");
    case EEXIST:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENOENT:
    case ENOTDIR:
    case ENOTEMPTY: return FailedPrecondition(what + ": the folder is not as this server would make it");
    default: return Internal(what);
  }
}

Status CheckFreeSpace(const fs::path& folder, std::int64_t bytes) {
  const auto free = FreeOf(folder);
  if (!free || (free->files && free->bytes >= bytes)) {
    return {};
  }
  return ResourceExhausted(Describe(*free, bytes) + " to store the network (--network-repository)" +
                           std::string(kMakeRoom));
}

}  // namespace spikeserve::serving
