#pragma once

#include <sys/types.h>

#include <chrono>
#include <string_view>

namespace spikeserve::rpc {

// A descriptor, such as stderr, that is written without ever waiting for who reads it: a pipe that nobody
// reads, a stopped terminal and a full socket take nothing instead. Its flags, which other processes share,
// are left alone. Used by one thread.
class LogOutput {
 public:
  // `descriptor` stays open for as long as this lives.
  explicit LogOutput(int descriptor);
  ~LogOutput();
  LogOutput(const LogOutput&) = delete;
  LogOutput& operator=(const LogOutput&) = delete;

  // How many of the bytes were taken; -1 where they never will be, as nobody can read any more.
  ssize_t Write(std::string_view bytes);
  // Returns once more might be taken, or after `time`.
  void Await(std::chrono::milliseconds time) const;

 private:
  enum class Kind { kNonBlocking, kSocket, kFile, kPolled };

  Kind kind_;
  int descriptor_;
  bool own_ = false;  // descriptor_ is to be closed
};

}  // namespace spikeserve::rpc
