#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/rpc/context/service_context.h"

namespace spikeserve::rpc {

// What is told about one call when it is over: a line in the log and a count in the metrics. One thread at a
// time.
class CallRecord {
 public:
  // `method` is the name of an RPC, e.g. "Simulate".
  CallRecord(const ServiceContext& context, const char* method)
      : context_(context), method_(method), received_(context.clock.Now()) {}
  ~CallRecord() { Write(); }
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  // Seconds since the call was received.
  double Elapsed() const;
  // How the call was answered.
  void SetStatus(const Status& status);

  std::string network;
  std::int64_t version = 0;
  std::int64_t samples = 0;
  std::int64_t batch_size = 0;
  double queue_s = 0;
  double compute_s = 0;
  std::shared_ptr<serving::NetworkStatistics> statistics;  // of the network, where it counts this call

 private:
  void Write() const noexcept;

  const ServiceContext& context_;
  const char* const method_;
  const Clock::TimePoint received_;
  double total_s_ = 0;
  Status status_{StatusCode::kCancelled, ""};
};

}  // namespace spikeserve::rpc
