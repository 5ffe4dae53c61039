#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <deque>
#include <optional>

#include "server/serving/memory_budget.h"

namespace spikeserve::rpc {

// Reports of a run that wait to be written, so that a client that keeps up misses none although a run may be
// much faster than a write. Bounded in bytes, which the memory budget counts. One thread at a time.
class ReportQueue {
 public:
  static constexpr std::int64_t kMaxBytes = std::int64_t{128} << 10;

  explicit ReportQueue(serving::MemoryBudget& budget) : budget_(budget) {}

  // Whether `report` was taken; not where too much waits already.
  bool Push(const grpc::ByteBuffer& report);
  // The oldest.
  std::optional<grpc::ByteBuffer> Pop();
  bool empty() const { return reports_.empty(); }

 private:
  struct Report {
    grpc::ByteBuffer bytes;
    serving::MemoryBudget::Reservation reservation;
  };

  serving::MemoryBudget& budget_;
  std::deque<Report> reports_;
  std::int64_t bytes_ = 0;
};

}  // namespace spikeserve::rpc
