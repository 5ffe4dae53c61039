#include "server/rpc/context/call_spans.h"

#include <algorithm>

namespace spikeserve::rpc {
namespace {

std::chrono::system_clock::time_point At(const TracedCall& call, double seconds) {
  return call.received + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                             std::chrono::duration<double>(std::max(seconds, 0.0)));
}

Span CallSpan(const TracedCall& call, IdSource& ids) {
  Span span;
  span.trace_id = call.identity.trace_id;
  span.span_id = ids.NewSpanId();
  span.parent_span_id = call.identity.parent_span_id;
  span.name = call.method;
  span.of_call = true;
  span.start = call.received;
  span.end = At(call, call.total_s);
  span.status = call.status;
  span.attributes = {{"rpc.system", std::string("grpc")},
                     {"rpc.method", call.method},
                     {"rpc.grpc.status_code", static_cast<std::int64_t>(call.status.code())},
                     {"spikeserve.request_id", call.identity.request_id}};
  if (!call.network.empty()) {
    span.attributes.emplace_back("spikeserve.network", call.network);
    span.attributes.emplace_back("spikeserve.version", call.version);
  }
  if (call.samples > 0) {
    span.attributes.emplace_back("spikeserve.samples", call.samples);
  }
  if (!call.reuse.empty()) {
    span.attributes.emplace_back("spikeserve.reuse", call.reuse);
  }
  return span;
}

Span Part(const Span& of, const char* name, std::chrono::system_clock::time_point start,
          std::chrono::system_clock::time_point end, IdSource& ids) {
  Span span;
  span.trace_id = of.trace_id;
  span.span_id = ids.NewSpanId();
  span.parent_span_id = of.span_id;
  span.name = name;
  span.start = start;
  span.end = end;
  return span;
}

}  // namespace

std::vector<Span> SpansOf(const TracedCall& call, IdSource& ids) {
  std::vector<Span> spans{CallSpan(call, ids)};
  if (call.done_s <= 0) {
    return spans;
  }
  const auto done = At(call, call.done_s);
  const auto queued = At(call, call.queued_s);
  const auto started = std::min(At(call, call.queued_s + call.queue_s), done);
  const Span whole = spans.front();
  spans.push_back(Part(whole, "decode", whole.start, queued, ids));
  spans.push_back(Part(whole, "queue", queued, started, ids));
  spans.push_back(Part(whole, "run", started, done, ids));
  spans.back().attributes = {{"spikeserve.batch_samples", call.batch_size}};
  for (const SpanChunk& chunk : call.chunks) {
    spans.back().events.push_back({"chunk", At(call, chunk.end_s), {{"spikeserve.steps", chunk.steps}}});
  }
  spans.push_back(Part(whole, "encode", done, std::max(done, whole.end), ids));
  return spans;
}

}  // namespace spikeserve::rpc
