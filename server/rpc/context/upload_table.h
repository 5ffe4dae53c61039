#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"

namespace spikeserve::rpc {

// The uploads under way: not too many, and none that holds its memory without sending, or while sending next
// to nothing. Thread-safe.
class UploadTable {
 public:
  // Sustained rate below which an upload is cancelled; a patience of seconds is left out of it.
  static constexpr std::int64_t kMinBytesPerSecond = 64 << 10;

  // `patience` is how long a client may send nothing. `clock` outlives the table.
  UploadTable(std::int64_t max_uploads, std::chrono::seconds patience, const Clock& clock);
  ~UploadTable();
  UploadTable(const UploadTable&) = delete;
  UploadTable& operator=(const UploadTable&) = delete;

  // RESOURCE_EXHAUSTED where as many are under way as may be. After OK, Remove must follow.
  Status Add(grpc::CallbackServerContext& call);
  // The client has sent so many bytes.
  void Touch(grpc::CallbackServerContext& call, std::int64_t bytes);
  // The client has sent everything: it may now take as long as it takes.
  void Complete(grpc::CallbackServerContext& call);
  // Does nothing where Add refused. Afterwards `call` may end.
  void Remove(grpc::CallbackServerContext& call);

  // Why the table has cancelled this call; OK where it has not.
  Status Reason(grpc::CallbackServerContext& call) const;

 private:
  struct Upload {
    Clock::TimePoint began;
    Clock::TimePoint last_sent;
    std::int64_t bytes = 0;
    bool complete = false;
    Status reason;
  };

  void CancelIdle();
  // Why the upload is to be cancelled; OK where it is not.
  Status Judge(const Upload& upload) const SPIKESERVE_REQUIRES(mu_);
  void Watch(std::stop_token stop);

  const std::int64_t max_uploads_;
  const std::chrono::seconds patience_;
  const Clock& clock_;
  mutable Mutex mu_;
  std::condition_variable_any stopped_;
  std::map<grpc::CallbackServerContext*, Upload> uploads_ SPIKESERVE_GUARDED_BY(mu_);
  std::jthread watcher_;  // last: uses what is above
};

}  // namespace spikeserve::rpc
