#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "server/base/mutex.h"

namespace spikeserve::app {

// What tells one state of a file from another without reading it, through all symbolic links. A file that is
// not there has a state too.
struct FileState {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t bytes = -1;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;

  friend bool operator==(const FileState& a, const FileState& b) = default;
};
std::vector<FileState> StatesOf(const std::vector<std::string>& paths);

// Looks at files once in a while, and tells when one has changed, or a link on the way to it: once all of
// them have stayed as they are from one look to the next, so that files written one after the other are
// taken together. Has a thread of its own.
class FileWatch {
 public:
  using Changed = std::function<void()>;

  // `known` are the states that were in use when they were read. `changed` is called by the thread.
  FileWatch(std::vector<std::string> paths, std::vector<FileState> known, std::chrono::milliseconds period,
            Changed changed);
  // Waits for `changed`, if it is being called.
  ~FileWatch() = default;
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  void Run(std::stop_token stop);

  const std::vector<std::string> paths_;
  const std::vector<FileState> known_;
  const std::chrono::milliseconds period_;
  const Changed changed_;
  Mutex mu_;
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: uses what is above
};

}  // namespace spikeserve::app
