#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

#include "server/base/clock.h"
#include "server/base/status.h"

namespace spikeserve::rpc {

// The uploads under way: not too many, and none that holds its memory without sending. Thread-safe.
class UploadTable {
 public:
  // `clock` outlives the table.
  UploadTable(std::int64_t max_uploads, std::chrono::seconds patience, const Clock& clock);
  ~UploadTable();
  UploadTable(const UploadTable&) = delete;
  UploadTable& operator=(const UploadTable&) = delete;

  // RESOURCE_EXHAUSTED where as many are under way as may be. After OK, Remove must follow.
  Status Add(grpc::CallbackServerContext& call);
  // The client has sent something.
  void Touch(grpc::CallbackServerContext& call);
  // The client has sent everything: it may now take as long as it takes.
  void Complete(grpc::CallbackServerContext& call);
  // Does nothing where Add refused. Afterwards `call` may end.
  void Remove(grpc::CallbackServerContext& call);

  // Cancels the calls that have not sent for longer than the patience; also done once a second.
  void CancelIdle();

 private:
  void Watch(std::stop_token stop);

  const std::int64_t max_uploads_;
  const std::chrono::seconds patience_;
  const Clock& clock_;
  std::mutex mu_;
  std::condition_variable_any stopped_;
  std::map<grpc::CallbackServerContext*, Clock::TimePoint> last_sent_;  // guarded by mu_
  std::jthread watcher_;                                                // last: uses what is above
};

}  // namespace spikeserve::rpc
