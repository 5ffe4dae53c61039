#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::rpc {

using SpanValue = std::variant<std::string, std::int64_t, double, bool>;
using SpanAttributes = std::vector<std::pair<std::string, SpanValue>>;

// One moment of a span.
struct SpanEvent {
  std::string name;
  std::chrono::system_clock::time_point at;
  SpanAttributes attributes;
};

// One piece of work of a trace, when it is over. Ids are hexadecimal: 32 digits of a trace, 16 of a span.
struct Span {
  std::string trace_id;
  std::string span_id;
  std::string parent_span_id;  // empty: the first of its trace
  std::string name;
  bool of_call = false;  // or of a part of one
  std::chrono::system_clock::time_point start;
  std::chrono::system_clock::time_point end;
  SpanAttributes attributes;
  std::vector<SpanEvent> events;
  std::int64_t dropped_events = 0;
  Status status;
};

}  // namespace spikeserve::rpc
