#include "server/rpc/upload_table.h"

#include <string>

namespace spikeserve::rpc {

UploadTable::UploadTable(std::int64_t max_uploads, std::chrono::seconds patience, const Clock& clock)
    : max_uploads_(max_uploads),
      patience_(patience),
      clock_(clock),
      watcher_([this](std::stop_token stop) { Watch(stop); }) {}

UploadTable::~UploadTable() = default;

Status UploadTable::Add(grpc::CallbackServerContext& call) {
  const std::lock_guard lock(mu_);
  const auto under_way = static_cast<std::int64_t>(last_sent_.size());
  if (under_way >= max_uploads_) {
    return ResourceExhausted("uploads: " + std::to_string(under_way) + " are under way, allowed " +
                             std::to_string(max_uploads_) + " at the same time (--max-uploads); try again");
  }
  last_sent_[&call] = clock_.Now();
  return {};
}

void UploadTable::Touch(grpc::CallbackServerContext& call) {
  const std::lock_guard lock(mu_);
  last_sent_[&call] = clock_.Now();
}

void UploadTable::Complete(grpc::CallbackServerContext& call) {
  const std::lock_guard lock(mu_);
  last_sent_[&call] = Clock::TimePoint::max();
}

void UploadTable::Remove(grpc::CallbackServerContext& call) {
  const std::lock_guard lock(mu_);
  last_sent_.erase(&call);
}

void UploadTable::CancelIdle() {
  const std::lock_guard lock(mu_);  // keeps the calls: none ends before its Remove
  const Clock::TimePoint oldest = clock_.Now() - patience_;
  for (const auto& [call, last_sent] : last_sent_) {
    if (last_sent < oldest) call->TryCancel();
  }
}

void UploadTable::Watch(std::stop_token stop) {
  while (!stop.stop_requested()) {
    CancelIdle();
    std::unique_lock lock(mu_);
    stopped_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  }
}

}  // namespace spikeserve::rpc
