#include "server/rpc/log/log_sink.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace spikeserve::rpc {
namespace {

// How often the end of the server is looked for while nobody reads.
constexpr std::chrono::milliseconds kLook{100};
// Where there are many lines, how long they are gathered: to wake the thread for each takes longer than to
// write it. Many are so many in that time.
constexpr std::chrono::milliseconds kGather{5}, kWindow{20};
constexpr std::int64_t kManyLines = 64;
// What the end leaves to a reader that is slow.
constexpr std::chrono::seconds kLastPatience{1};

}  // namespace

LogSink::LogSink(int descriptor, std::function<std::string(std::int64_t)> say_lost, std::size_t room_bytes)
    : descriptor_(descriptor),
      say_lost_(std::move(say_lost)),
      room_(room_bytes),
      writer_([this](std::stop_token stop) { Write(stop); }) {}

LogSink::~LogSink() = default;

std::string LogSink::Format(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  return {line.data(), line.size()};
}

// Called by one thread at a time, which base_sink sees to.
void LogSink::sink_it_(const spdlog::details::log_msg& message) {
  const std::size_t room = message.level >= spdlog::level::warn ? 2 * room_ : room_;
  std::string line = Format(message);
  const MutexLock lock(mu_);
  if (waiting_.size() + line.size() > room) {
    ++unsaid_;
    ++lost_;
    return;
  }
  if (unsaid_ > 0) {
    const std::string text = say_lost_(std::exchange(unsaid_, 0));
    waiting_ += Format({message.logger_name, spdlog::level::warn, text});
  }
  waiting_ += line;
  ++lines_;
  if (std::exchange(asleep_, false) || IsUrgent()) {
    changed_.notify_one();
  }
}

void LogSink::Lose(std::int64_t lines) {
  const MutexLock lock(mu_);
  unsaid_ += lines;
  lost_ += lines;
}

std::string LogSink::Take(std::stop_token stop) {
  const MutexLock lock(mu_);
  const auto now = std::chrono::steady_clock::now();
  if (now - since_ >= kWindow) {
    many_ = std::exchange(lines_, 0) * kWindow >= kManyLines * (now - since_);
    since_ = now;
  }
  if (many_) {
    changed_.wait_for(mu_, stop, kGather, [this]() SPIKESERVE_REQUIRES(mu_) { return IsUrgent(); });
  }
  asleep_ = waiting_.empty();
  changed_.wait(mu_, stop, [this]() SPIKESERVE_REQUIRES(mu_) { return !waiting_.empty(); });
  return std::exchange(waiting_, {});
}

void LogSink::Write(std::stop_token stop) {
  LogOutput output(descriptor_);
  for (std::string text = Take(stop); !text.empty(); text = Take(stop)) {
    if (!WriteAll(output, text, stop)) {
      return;
    }
  }
}

bool LogSink::WriteAll(LogOutput& output, std::string_view text, const std::stop_token& stop) {
  auto deadline = std::chrono::steady_clock::time_point::max();
  while (!text.empty()) {
    const ssize_t written = output.Write(text);
    if (written < 0) {
      Lose(std::count(text.begin(), text.end(), '\n'));
      return true;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
    if (text.empty() || written > 0) {
      continue;
    }
    const auto now = std::chrono::steady_clock::now();
    if (stop.stop_requested()) {
      deadline = std::min(deadline, now + kLastPatience);
    }
    if (now >= deadline) {
      return false;
    }
    output.Await(kLook);
  }
  return true;
}

}  // namespace spikeserve::rpc
