#pragma once

#include <sys/stat.h>

#include <cstdint>

namespace spikeserve::serving {

// What tells one state of a file from another without reading it. A file that is not there has a state too.
struct FileState {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t bytes = -1;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  friend bool operator==(const FileState& a, const FileState& b) = default;
};

inline FileState StateOf(const struct stat& found) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {found.st_dev, found.st_ino, found.st_size, nanoseconds(found.st_mtim), nanoseconds(found.st_ctim)};
}

}  // namespace spikeserve::serving
