#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "server/base/status.h"

namespace spikeserve::serving {

// The file in the folder of a network that keeps its aliases: "ALIAS VERSION" on each line. None where there
// is no file. DATA_LOSS where it is something else.
Result<std::map<std::string, std::int64_t>> ReadAliasFile(const std::filesystem::path& folder);

// Replaces the file in one step, or removes it where there are no aliases. The failures of DiskError; what
// was there before is there still, unless only the last step has failed, which makes it survive a crash.
Status WriteAliasFile(const std::filesystem::path& folder,
                      const std::map<std::string, std::int64_t>& aliases);

}  // namespace spikeserve::serving
