#include "server/rpc/trace/span_exporter.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/rpc/trace/otlp_message.h"

namespace spikeserve::rpc {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using opentelemetry::proto::collector::trace::v1::TraceService;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kRoom = 8192;    // spans that may wait
constexpr std::size_t kBatch = 512;    // spans of one message
constexpr milliseconds kGather{1000};  // how long few spans wait for others
constexpr seconds kCallTime{5};
constexpr seconds kLastCallTime{1};  // at the end of the server
constexpr milliseconds kFirstPause{1000};
constexpr milliseconds kLongestPause{30'000};

// Codes after which the same call may succeed, by the protocol.
bool MayBeRepeated(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return true;
    default: return false;
  }
}

struct Endpoint {
  std::string target;
  bool tls = false;
};

Result<Endpoint> ParseEndpoint(const std::string& text) {
  Endpoint endpoint{text, false};
  for (const auto& [prefix, tls] : {std::pair{"http://", false}, std::pair{"https://", true}}) {
    if (text.rfind(prefix, 0) == 0) {
      endpoint = {text.substr(std::string(prefix).size()), tls};
    }
  }
  while (!endpoint.target.empty() && endpoint.target.back() == '/') {
    endpoint.target.pop_back();
  }
  const std::size_t colon = endpoint.target.rfind(':');
  const bool port = colon != std::string::npos && colon > 0 && colon + 1 < endpoint.target.size() &&
                    endpoint.target.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (!port || endpoint.target.find('/') != std::string::npos) {
    return InvalidArgument("--trace-endpoint: got " + Quote(text) +
                           ", wanted HOST:PORT, http://HOST:PORT or https://HOST:PORT of a collector that "
                           "takes OTLP by gRPC");
  }
  return endpoint;
}

}  // namespace

struct SpanExporter::Collector {
  std::unique_ptr<TraceService::Stub> stub;
};

Result<std::unique_ptr<SpanExporter>> SpanExporter::Start(const std::string& endpoint,
                                                          SpanAttributes resource) {
  const auto parsed = ParseEndpoint(endpoint);
  if (!parsed.ok()) {
    return parsed.status();
  }
  const auto credentials = parsed.value().tls ? grpc::SslCredentials(grpc::SslCredentialsOptions())
                                              : grpc::InsecureChannelCredentials();
  auto collector = std::make_unique<Collector>();
  collector->stub = TraceService::NewStub(grpc::CreateChannel(parsed.value().target, credentials));
  return std::unique_ptr<SpanExporter>(new SpanExporter(std::move(collector), std::move(resource)));
}

SpanExporter::SpanExporter(std::unique_ptr<Collector> collector, SpanAttributes resource)
    : collector_(std::move(collector)),
      resource_(std::move(resource)),
      sender_([this](const std::stop_token& stop) { Run(stop); }) {}

SpanExporter::~SpanExporter() = default;

void SpanExporter::Add(std::vector<Span> spans) {
  const MutexLock lock(mu_);
  const std::size_t taken = std::min(spans.size(), kRoom - waiting_.size());
  lost_ += static_cast<std::int64_t>(spans.size() - taken);
  std::move(spans.begin(), spans.begin() + static_cast<std::ptrdiff_t>(taken), std::back_inserter(waiting_));
  if (waiting_.size() >= kBatch) {
    changed_.notify_one();
  }
}

std::vector<Span> SpanExporter::Take(const std::stop_token& stop) {
  const MutexLock lock(mu_);
  while (!stop.stop_requested()) {
    const bool many = changed_.wait_for(
        mu_, stop, kGather, [this]() SPIKESERVE_REQUIRES(mu_) { return waiting_.size() >= kBatch; });
    if (many || !waiting_.empty()) {
      break;
    }
  }
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kBatch));
  std::vector<Span> batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return batch;
}

void SpanExporter::Run(const std::stop_token& stop) {
  const auto send = [&](const std::vector<Span>& spans) {
    const Status status = Guarded([&] {
      Send(spans, stop);
      return Status();
    });
    if (!status.ok()) {
      lost_ += static_cast<std::int64_t>(spans.size());
    }
  };
  for (std::vector<Span> spans = Take(stop); !spans.empty(); spans = Take(stop)) {
    send(spans);
    if (stop.stop_requested()) {  // one more, and that is all there is time for
      send(Take(stop));
      return;
    }
  }
}

void SpanExporter::Send(const std::vector<Span>& spans, const std::stop_token& stop) {
  if (spans.empty()) {
    return;
  }
  const auto request = EncodeSpans(spans, resource_);
  const auto count = static_cast<std::int64_t>(spans.size());
  for (milliseconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const bool last = stop.stop_requested();
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + (last ? kLastCallTime : kCallTime));
    ExportTraceServiceResponse response;
    grpc::Status status;
    if (last) {
      status = collector_->stub->Export(&context, request, &response);
    } else {
      const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
      status = collector_->stub->Export(&context, request, &response);
    }
    if (status.ok()) {
      const std::int64_t rejected =
          std::clamp<std::int64_t>(response.partial_success().rejected_spans(), 0, count);
      sent_ += count - rejected;
      lost_ += rejected;
      return;
    }
    if (last || !MayBeRepeated(status.error_code())) {
      lost_ += count;
      return;
    }
    const MutexLock lock(mu_);
    changed_.wait_for(mu_, stop, pause, [] { return false; });
  }
}

}  // namespace spikeserve::rpc
