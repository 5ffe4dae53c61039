#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/serving/file_state.h"

namespace spikeserve::app {

using serving::FileState;

// Of these files, through all symbolic links.
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
