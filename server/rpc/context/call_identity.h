#pragma once

#include <grpcpp/server_context.h>

#include <optional>
#include <string>
#include <string_view>

#include "server/base/request_id.h"

namespace spikeserve::rpc {

// Where a call stands in a trace, by the W3C's header: its trace, who called, and whether that is recorded.
struct TraceParent {
  std::string trace_id;  // 32 hexadecimal digits
  std::string span_id;   // 16
  bool sampled = false;
};

// VERSION-TRACE-SPAN-FLAGS; nothing of a header that is not by the rules, as these demand.
std::optional<TraceParent> ParseTraceParent(std::string_view header);

// Who a call is, in the log, in its error and in traces.
struct CallIdentity {
  std::string request_id;
  std::string trace_id;
  std::string parent_span_id;  // empty: the call is the first of its trace
  bool sampled = false;        // its spans are recorded
};

// By the call's metadata: `x-request-id`, where it is one, else the trace's id; `traceparent`, else an id is
// made, and `sample_rate` is the share of those calls that are recorded.
CallIdentity Identify(const grpc::ServerContextBase& call, IdSource& ids, double sample_rate);

}  // namespace spikeserve::rpc
