#pragma once

#include <spdlog/sinks/base_sink.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "server/base/mutex.h"
#include "server/rpc/log/log_output.h"

namespace spikeserve::rpc {

// Writes the log from a thread of its own, so that nobody who logs waits for who reads. What finds no room is
// lost and counted; one line says how many were, where they are missing. Thread-safe. Its end waits a second
// at most for what is still to be written.
class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // `descriptor` outlives the sink. `say_lost` makes the text of the line about lost ones. At most
  // `room_bytes` of lines wait, and as much again of warnings and errors.
  LogSink(int descriptor, std::function<std::string(std::int64_t lines)> say_lost,
          std::size_t room_bytes = std::size_t{2} << 20);
  ~LogSink() override;

  // Lines that were lost since the start.
  std::int64_t lost_lines() const { return lost_; }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}  // the thread is always about to

  std::string Format(const spdlog::details::log_msg& message);
  void Lose(std::int64_t lines);
  bool IsUrgent() const SPIKESERVE_REQUIRES(mu_) { return waiting_.size() > room_ / 2; }
  // What waits, at most until `stop`; empty at the end.
  std::string Take(std::stop_token stop);
  void Write(std::stop_token stop);
  // Whether all was written before the end.
  bool WriteAll(LogOutput& output, std::string_view text, const std::stop_token& stop);

  const int descriptor_;
  const std::function<std::string(std::int64_t)> say_lost_;
  const std::size_t room_;
  std::atomic<std::int64_t> lost_ = 0;
  Mutex mu_;
  std::condition_variable_any changed_;
  std::string waiting_ SPIKESERVE_GUARDED_BY(mu_);
  bool asleep_ SPIKESERVE_GUARDED_BY(mu_) = false;     // the thread, until there is a line
  bool many_ SPIKESERVE_GUARDED_BY(mu_) = false;       // lines have come, in the window before
  std::int64_t lines_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // of the window that began then
  std::chrono::steady_clock::time_point since_ SPIKESERVE_GUARDED_BY(mu_);
  std::int64_t unsaid_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // lost lines that no line tells of yet
  std::jthread writer_;                                 // last: uses what is above
};

}  // namespace spikeserve::rpc
