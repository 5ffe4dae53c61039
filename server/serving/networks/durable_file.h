#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::serving {

// Name of a file that WriteDurably has not finished.
inline constexpr std::string_view kUnfinishedFile = "network.spk.tmp";

// Writes `parts` one after the other to `target` through kUnfinishedFile in the same folder: temp file,
// fsync, rename, fsync of the folder. On failure nothing is left. ALREADY_EXISTS where `target` exists,
// which is then as it was; else the failures of DiskError, which name the call.
Status WriteDurably(const std::filesystem::path& target, const std::vector<std::string_view>& parts);

// Makes the entries of a folder survive a crash.
Status SyncFolder(const std::filesystem::path& folder);

}  // namespace spikeserve::serving
