#include "server/serving/store/folder_scan.h"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "server/serving/names.h"
#include "server/serving/networks/folder_lock.h"
#include "server/serving/networks/repository_layout.h"

namespace spikeserve::serving {
namespace {

namespace fs = std::filesystem;

// Whether an error means that something is not there, rather than that nobody knows.
bool IsAbsence(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

Status CannotSee(const fs::path& path, const std::error_code& error) {
  return Unavailable(path.string() + ": " + error.message());
}

struct Names {
  std::vector<std::string> names;
  std::error_code error;
};

Names NamesIn(const fs::path& folder) {
  Names found;
  for (fs::directory_iterator it(folder, found.error), end; !found.error && it != end;
       it.increment(found.error)) {
    found.names.push_back(it->path().filename().string());
  }
  return found;
}

class Scan {
 public:
  explicit Scan(const fs::path& directory) : directory_(directory) {}

  Result<FolderScan> Run() {
    const Names networks = NamesIn(directory_);
    if (networks.error) {
      return CannotSee(directory_, networks.error);
    }
    for (const std::string& name : networks.names) {
      found_.marked |= name == kLockFileName;
      if (IsValidName(name)) {
        LookAtNetwork(name);
      }
    }
    return std::move(found_);
  }

 private:
  void LookAtNetwork(const std::string& name) {
    LookAtAliases(name, directory_ / name / kAliasFileName);
    const Names versions = NamesIn(directory_ / name);
    if (versions.error && !IsAbsence(versions.error.value())) {
      MissOut(name, directory_ / name, versions.error);
    }
    for (const std::string& text : versions.names) {
      if (const std::int64_t version = ParseVersion(text); version > 0) {
        LookAtVersion(name, version, directory_ / name / text / kNetworkFileName);
      }
    }
  }

  void LookAtAliases(const std::string& name, const fs::path& file) {
    struct stat state {};
    if (stat(file.c_str(), &state) == 0) {
      found_.aliases.emplace(name, StateOf(state));
    } else if (!IsAbsence(errno)) {
      MissOut(name, file, std::error_code(errno, std::generic_category()));
    }
  }

  void LookAtVersion(const std::string& name, std::int64_t version, const fs::path& file) {
    struct stat state {};
    if (stat(file.c_str(), &state) == 0) {
      found_.versions.emplace(VersionKey(name, version), StateOf(state));
    } else if (!IsAbsence(errno)) {
      MissOut(name, file, std::error_code(errno, std::generic_category()));
    }
  }

  void MissOut(const std::string& name, const fs::path& path, const std::error_code& error) {
    if (found_.trouble.ok()) {
      found_.trouble = CannotSee(path, error);
    }
    found_.unread.insert(name);
  }

  const fs::path& directory_;
  FolderScan found_;
};

}  // namespace

Result<FolderScan> ScanFolder(const fs::path& directory) { return Scan(directory).Run(); }

}  // namespace spikeserve::serving
