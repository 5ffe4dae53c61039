#include "server/rpc/context/upload_table.h"

#include <string>

#include "server/rpc/context/call_watch.h"

namespace spikeserve::rpc {

UploadTable::UploadTable(std::int64_t max_uploads, std::chrono::seconds patience, const Clock& clock)
    : max_uploads_(max_uploads),
      patience_(patience),
      clock_(clock),
      watcher_([this](std::stop_token stop) { Watch(stop); }) {}

UploadTable::~UploadTable() = default;

Status UploadTable::Add(grpc::CallbackServerContext& call) {
  const MutexLock lock(mu_);
  const auto under_way = static_cast<std::int64_t>(uploads_.size());
  if (under_way >= max_uploads_) {
    return ResourceExhausted("uploads: " + std::to_string(under_way) + " are under way, allowed " +
                             std::to_string(max_uploads_) + " at the same time (--max-uploads); try again");
  }
  const Clock::TimePoint now = clock_.Now();
  uploads_.emplace(&call, Upload{now, now, 0, false, {}});
  return {};
}

void UploadTable::Touch(grpc::CallbackServerContext& call, std::int64_t bytes) {
  const MutexLock lock(mu_);
  Upload& upload = uploads_[&call];
  upload.last_sent = clock_.Now();
  upload.bytes += bytes;
}

void UploadTable::Complete(grpc::CallbackServerContext& call) {
  const MutexLock lock(mu_);
  uploads_[&call].complete = true;
}

void UploadTable::Remove(grpc::CallbackServerContext& call) {
  const MutexLock lock(mu_);
  uploads_.erase(&call);
}

Status UploadTable::Reason(grpc::CallbackServerContext& call) const {
  const MutexLock lock(mu_);
  const auto upload = uploads_.find(&call);
  return upload == uploads_.end() ? Status() : upload->second.reason;
}

void UploadTable::CancelIdle() {
  const MutexLock lock(mu_);  // keeps the calls: none ends before its Remove
  for (auto& [call, upload] : uploads_) {
    if (upload.complete || !upload.reason.ok()) {
      continue;
    }
    upload.reason = Judge(upload);
    if (!upload.reason.ok()) {
      HeldCall(*call).Cancel(upload.reason);  // whose reactions run on a thread of gRPC
    }
  }
}

Status UploadTable::Judge(const Upload& upload) const {
  const Clock::TimePoint now = clock_.Now();
  const std::string rule = std::to_string(patience_.count()) + " s (--upload-idle-seconds)";
  if (now - upload.last_sent > patience_) {
    return {StatusCode::kDeadlineExceeded, "the upload sent nothing for more than " + rule};
  }
  const std::chrono::seconds due(upload.bytes / kMinBytesPerSecond);
  if (now - upload.began <= patience_ + due) {
    return {};
  }
  return {StatusCode::kDeadlineExceeded, "the upload sent " + std::to_string(upload.bytes) +
                                             " bytes, wanted " + std::to_string(kMinBytesPerSecond) +
                                             " a second after the first " + rule};
}

void UploadTable::Watch(std::stop_token stop) {
  while (!stop.stop_requested()) {
    CancelIdle();
    const MutexLock lock(mu_);
    stopped_.wait_for(mu_, stop, std::chrono::seconds(1), [] { return false; });
  }
}

}  // namespace spikeserve::rpc
