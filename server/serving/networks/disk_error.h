#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "server/base/status.h"

namespace spikeserve::serving {

// What to tell of a call of the system that failed with `error` (an errno) on `path`: RESOURCE_EXHAUSTED for
// a full disk, a quota or a limit of a file's size, with what `needed_bytes` (0: not known) compare with what
// is free; FAILED_PRECONDITION for a disk that is read-only, a folder without permission and what else trying
// again does not mend; INTERNAL for the rest, such as a broken disk.
Status DiskError(int error, std::string_view call, const std::filesystem::path& path,
                 std::int64_t needed_bytes = 0);

// RESOURCE_EXHAUSTED where the disk that `folder` is on, or would be, has no room for `bytes`; OK also where
// that cannot be told.
Status CheckFreeSpace(const std::filesystem::path& folder, std::int64_t bytes);

}  // namespace spikeserve::serving
