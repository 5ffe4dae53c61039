#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/rpc/log/log_sink.h"

namespace spikeserve::rpc {

enum class LogFormat { kText, kJson };

// One named value of an event.
struct LogField {
  std::string_view name;
  std::variant<std::string, std::int64_t, double, bool> value;
};

// Events, one line each on stderr: `time level event name=value ...`, or the same as a JSON object.
// Thread-safe; never throws and never waits: what stderr does not take in time is lost and counted.
class EventLog {
 public:
  using Fields = std::vector<LogField>;

  EventLog(LogFormat format, spdlog::level::level_enum level);
  // Writes through `sink`, for tests.
  EventLog(LogFormat format, spdlog::sink_ptr sink);

  void Debug(std::string_view event, const Fields& fields) const {
    Write(spdlog::level::debug, event, fields);
  }
  void Info(std::string_view event, const Fields& fields) const { Write(spdlog::level::info, event, fields); }
  void Warn(std::string_view event, const Fields& fields) const { Write(spdlog::level::warn, event, fields); }
  void Error(std::string_view event, const Fields& fields) const { Write(spdlog::level::err, event, fields); }

  // Whether lines of Info are written.
  bool takes_info() const { return logger_->should_log(spdlog::level::info); }
  // Lines that were lost, as stderr did not take them in time.
  std::int64_t lost_lines() const { return stderr_ ? stderr_->lost_lines() : 0; }

 private:
  void Write(spdlog::level::level_enum level, std::string_view event, const Fields& fields) const noexcept;

  const LogFormat format_;
  const std::shared_ptr<LogSink> stderr_;  // null: another sink was given
  const std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace spikeserve::rpc
