#pragma once

#include <string>
#include <vector>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "server/rpc/trace/span.h"

namespace spikeserve::rpc {

// What a collector takes: the spans, and `resource`, which says whose they are.
opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest EncodeSpans(
    const std::vector<Span>& spans, const SpanAttributes& resource);

}  // namespace spikeserve::rpc
