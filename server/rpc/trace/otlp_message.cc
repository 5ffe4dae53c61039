#include "server/rpc/trace/otlp_message.h"

#include <charconv>

#include "server/base/overloaded.h"

namespace spikeserve::rpc {
namespace {

namespace otlp = opentelemetry::proto;

// Messages of errors may be long, and collectors have limits.
constexpr std::size_t kMaxMessage = 512;
constexpr const char* kScope = "spikeserve";

std::string Bytes(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

std::uint64_t UnixNanoseconds(std::chrono::system_clock::time_point time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

template <typename Message>
void AddAttributes(const SpanAttributes& attributes, Message& message) {
  for (const auto& [key, value] : attributes) {
    otlp::common::v1::KeyValue& added = *message.add_attributes();
    added.set_key(key);
    otlp::common::v1::AnyValue& any = *added.mutable_value();
    std::visit(Overloaded{[&](const std::string& text) { any.set_string_value(text); },
                          [&](std::int64_t number) { any.set_int_value(number); },
                          [&](double number) { any.set_double_value(number); },
                          [&](bool yes) { any.set_bool_value(yes); }},
               value);
  }
}

void EncodeSpan(const Span& span, otlp::trace::v1::Span& message) {
  message.set_trace_id(Bytes(span.trace_id));
  message.set_span_id(Bytes(span.span_id));
  message.set_parent_span_id(Bytes(span.parent_span_id));
  message.set_name(span.name);
  message.set_kind(span.of_call ? otlp::trace::v1::Span::SPAN_KIND_SERVER
                                : otlp::trace::v1::Span::SPAN_KIND_INTERNAL);
  message.set_start_time_unix_nano(UnixNanoseconds(span.start));
  message.set_end_time_unix_nano(UnixNanoseconds(span.end));
  AddAttributes(span.attributes, message);
  for (const SpanEvent& event : span.events) {
    otlp::trace::v1::Span::Event& added = *message.add_events();
    added.set_name(event.name);
    added.set_time_unix_nano(UnixNanoseconds(event.at));
    AddAttributes(event.attributes, added);
  }
  message.set_dropped_events_count(static_cast<std::uint32_t>(span.dropped_events));
  if (!span.status.ok()) {
    message.mutable_status()->set_code(otlp::trace::v1::Status::STATUS_CODE_ERROR);
    message.mutable_status()->set_message(span.status.message().substr(0, kMaxMessage));
  }
}

}  // namespace

otlp::collector::trace::v1::ExportTraceServiceRequest EncodeSpans(const std::vector<Span>& spans,
                                                                  const SpanAttributes& resource) {
  otlp::collector::trace::v1::ExportTraceServiceRequest request;
  otlp::trace::v1::ResourceSpans& group = *request.add_resource_spans();
  AddAttributes(resource, *group.mutable_resource());
  otlp::trace::v1::ScopeSpans& scope = *group.add_scope_spans();
  scope.mutable_scope()->set_name(kScope);
  for (const Span& span : spans) {
    EncodeSpan(span, *scope.add_spans());
  }
  return request;
}

}  // namespace spikeserve::rpc
