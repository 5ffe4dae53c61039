#include "server/rpc/context/event_log.h"

#include <spdlog/pattern_formatter.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>

namespace spikeserve::rpc {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

// A JSON string; what clients send may hold anything.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string Number(double value) {
  constexpr int kDigits = 6;
  std::array<char, 32> text;
  char* const end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, kDigits).ptr;
  return std::string(text.data(), end);
}

std::string ValueText(const LogField& field) {
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    return Quoted(*text);
  }
  if (const auto* integer = std::get_if<std::int64_t>(&field.value)) {
    return std::to_string(*integer);
  }
  if (const auto* number = std::get_if<double>(&field.value)) {
    return Number(*number);
  }
  return std::get<bool>(field.value) ? "true" : "false";
}

std::string TextLine(std::string_view event, const EventLog::Fields& fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += " " + std::string(field.name) + "=" + ValueText(field);
  }
  return line;
}

std::string JsonLine(std::string_view event, const EventLog::Fields& fields) {
  std::string line = "\"event\":" + Quoted(event);
  for (const LogField& field : fields) {
    line += "," + Quoted(field.name) + ":" + ValueText(field);
  }
  return line;
}

std::string Line(LogFormat format, std::string_view event, const EventLog::Fields& fields) {
  return format == LogFormat::kJson ? JsonLine(event, fields) : TextLine(event, fields);
}

std::shared_ptr<LogSink> MakeStderrSink(LogFormat format) {
  return std::make_shared<LogSink>(STDERR_FILENO, [format](std::int64_t lines) {
    return Line(format, "log_lines_lost",
                {{"lines", lines}, {"message", std::string("stderr was not read in time")}});
  });
}

std::shared_ptr<spdlog::logger> MakeLogger(LogFormat format, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("spikeserve", std::move(sink));
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::kJson ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc));
  logger->set_error_handler([](const std::string&) {});  // which else writes to stderr, and may wait there
  return logger;
}

}  // namespace

EventLog::EventLog(LogFormat format, spdlog::level::level_enum level)
    : format_(format), stderr_(MakeStderrSink(format)), logger_(MakeLogger(format, stderr_)) {
  logger_->set_level(level);
}

EventLog::EventLog(LogFormat format, spdlog::sink_ptr sink)
    : format_(format), logger_(MakeLogger(format, std::move(sink))) {
  logger_->set_level(spdlog::level::debug);
}

void EventLog::Write(spdlog::level::level_enum level, std::string_view event,
                     const Fields& fields) const noexcept {
  if (!logger_->should_log(level)) {
    return;
  }
  try {
    // As a string_view, so that the text is not taken for a format.
    const std::string line = Line(format_, event, fields);
    logger_->log(level, std::string_view(line));
  } catch (...) {  // a line lost to lack of memory must not take a request with it
  }
}

}  // namespace spikeserve::rpc
