#include "server/rpc/context/report_queue.h"

#include <utility>

namespace spikeserve::rpc {

bool ReportQueue::Push(const grpc::ByteBuffer& report) {
  const auto size = static_cast<std::int64_t>(report.Length());
  if (bytes_ + size > kMaxBytes) {
    return false;
  }
  auto reservation = budget_.Reserve(size, "a report");
  if (!reservation.ok()) {
    return false;
  }
  reports_.push_back({report, std::move(reservation).value()});
  bytes_ += size;
  return true;
}

std::optional<grpc::ByteBuffer> ReportQueue::Pop() {
  if (reports_.empty()) {
    return std::nullopt;
  }
  grpc::ByteBuffer report = std::move(reports_.front().bytes);
  reports_.pop_front();
  bytes_ -= static_cast<std::int64_t>(report.Length());
  return report;
}

}  // namespace spikeserve::rpc
