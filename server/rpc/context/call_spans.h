#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "server/base/request_id.h"
#include "server/base/status.h"
#include "server/rpc/context/call_identity.h"
#include "server/rpc/trace/span.h"

namespace spikeserve::rpc {

// So many steps of its run were done at that time, in seconds since the call was received.
struct SpanChunk {
  double end_s = 0;
  std::int64_t steps = 0;
};

// A call that is over, as its trace shows it. Times in seconds since it was received.
struct TracedCall {
  const CallIdentity& identity;
  std::string method;
  std::string network;
  std::int64_t version = 0;
  std::int64_t samples = 0;
  std::int64_t batch_size = 0;
  std::string reuse = {};  // how it was answered without a run of its own, in a word; empty: it was not
  std::chrono::system_clock::time_point received;
  double queued_s = 0;  // when it was read and checked
  double queue_s = 0;   // from then on it waited so long for a worker
  double done_s = 0;    // when its run was over; 0: there was none
  double total_s = 0;   // when it was answered
  std::vector<SpanChunk> chunks = {};
  Status status;
};

// The span of the call, and where it ran those of its parts: decode, queue, run with its chunks as
// events, encode.
std::vector<Span> SpansOf(const TracedCall& call, IdSource& ids);

}  // namespace spikeserve::rpc
