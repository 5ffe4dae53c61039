#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "server/base/status.h"
#include "server/serving/file_state.h"

namespace spikeserve::serving {

// A name and a version.
using VersionKey = std::pair<std::string, std::int64_t>;

// What lies in a repository at one look.
struct FolderScan {
  std::map<VersionKey, FileState>
      versions;  // with the state of the file, which may be damaged or not all there
  std::map<std::string, FileState> aliases;  // by network, of the file that has them
  std::set<std::string> unread;              // names of which nothing, or not all, could be seen
  bool marked = false;  // whether an owner has left its lock, so that this is the right folder
  Status trouble;       // why something is unread
};

// Looks at the repository without reading a file. UNAVAILABLE where the folder itself cannot be seen, which
// says nothing about what is in it.
Result<FolderScan> ScanFolder(const std::filesystem::path& directory);

}  // namespace spikeserve::serving
