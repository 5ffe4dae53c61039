#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/trace/span.h"

namespace spikeserve::rpc {

// Sends spans to a collector by OTLP over gRPC, many at a time, from a thread of its own: nobody who adds
// some waits. What finds no room, or is refused, is lost and counted. Thread-safe. Its end leaves two seconds
// to what is still to be sent.
class SpanExporter {
 public:
  // `endpoint` is HOST:PORT or http://HOST:PORT, with https:// for TLS; `resource` says whose spans they are.
  // INVALID_ARGUMENT where it is none of these.
  static Result<std::unique_ptr<SpanExporter>> Start(const std::string& endpoint, SpanAttributes resource);
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  void Add(std::vector<Span> spans);

  // Spans that the collector has, and spans that it never will.
  std::int64_t sent() const { return sent_; }
  std::int64_t lost() const { return lost_; }

 private:
  struct Collector;
  SpanExporter(std::unique_ptr<Collector> collector, SpanAttributes resource);

  // The next to be sent: as soon as there are many, or some have waited; empty only at the end.
  std::vector<Span> Take(const std::stop_token& stop);
  void Run(const std::stop_token& stop);
  // Tries until they are sent, refused for good, or the end comes.
  void Send(const std::vector<Span>& spans, const std::stop_token& stop);

  const std::unique_ptr<Collector> collector_;
  const SpanAttributes resource_;
  std::atomic<std::int64_t> sent_ = 0;
  std::atomic<std::int64_t> lost_ = 0;
  Mutex mu_;
  std::condition_variable_any changed_;
  std::vector<Span> waiting_ SPIKESERVE_GUARDED_BY(mu_);
  std::jthread sender_;  // last: uses what is above
};

}  // namespace spikeserve::rpc
