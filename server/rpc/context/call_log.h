#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/request_id.h"
#include "server/base/status.h"
#include "server/rpc/context/call_identity.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/trace/span_exporter.h"

namespace spikeserve::rpc {

// One call that is over.
struct CallFacts {
  std::string method;
  std::string request_id;
  std::string network;
  std::int64_t version = 0;
  std::int64_t samples = 0;
  std::int64_t batch_size = 0;
  std::string reuse = {};  // how it was answered without a run of its own, in a word; empty: it was not
  double queue_s = 0;
  double compute_s = 0;
  double total_s = 0;
  Status status;
};

struct CallLogOptions {
  double log_sample_rate = 1;    // share of the successful calls that are logged
  double trace_sample_rate = 0;  // share of the calls without a trace of their client's that are recorded
};

// Who calls are, and what is told of them when they are over: a line in the log for each that failed and for
// a share of those that did not, spans of those that are traced. Calls that their clients gave up get one
// line a second, and the others a count: they come by the thousand. Keeps the last errors. Thread-safe.
class CallLog {
 public:
  struct Failure {
    std::chrono::system_clock::time_point at;
    CallFacts call;
  };

  // `log`, `clock` and `spans` outlive this; without `spans` no call is traced for its own sake.
  CallLog(const EventLog& log, const Clock& clock, const CallLogOptions& options, SpanExporter* spans);
  // Tells of what was only counted yet.
  ~CallLog();
  CallLog(const CallLog&) = delete;
  CallLog& operator=(const CallLog&) = delete;

  CallIdentity Identify(const grpc::ServerContextBase& call);
  void Write(const CallFacts& call);
  // Where spans go; null where nobody wants any.
  SpanExporter* spans() const { return spans_; }
  IdSource& ids() { return ids_; }
  // The last failures that were not the client's going away, the newest first.
  std::vector<Failure> failures() const;

 private:
  bool TakesLine(StatusCode code);
  void TellUnwritten();
  void Keep(const CallFacts& call);

  const EventLog& log_;
  const Clock& clock_;
  const CallLogOptions options_;
  SpanExporter* const spans_;
  IdSource ids_;
  mutable Mutex mu_;
  double due_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // of a line of a successful call, which gets it at 1
  Clock::TimePoint last_cancelled_ SPIKESERVE_GUARDED_BY(mu_) = Clock::TimePoint::min();
  std::int64_t unwritten_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // cancelled calls since then
  std::deque<Failure> failures_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::rpc
