#include "server/serving/memory_budget.h"

#include <string>

namespace spikeserve::serving {

MemoryBudget::Reservation& MemoryBudget::Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    ShrinkTo(0);
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void MemoryBudget::Reservation::ShrinkTo(std::int64_t bytes) {
  if (bytes < 0 || bytes >= bytes_) {
    return;
  }
  budget_->Release(bytes_ - bytes);
  bytes_ = bytes;
}

Result<MemoryBudget::Reservation> MemoryBudget::Reserve(std::int64_t bytes, std::string_view what) {
  if (bytes < 0) {
    return Internal(std::string(what) + ": cannot reserve " + std::to_string(bytes) + " bytes");
  }
  if (Take(bytes)) {
    return Reservation(this, bytes);
  }
  const std::string held = make_room_ ? make_room_(bytes) : std::string();
  if (Take(bytes)) {
    return Reservation(this, bytes);
  }
  return ResourceExhausted(std::string(what) + ": needs " + std::to_string(bytes) + " bytes, " +
                           std::to_string(available_bytes()) + " available of " +
                           std::to_string(limit_bytes_) + " (--memory-budget-mb)" +
                           (held.empty() ? "" : "; " + held));
}

bool MemoryBudget::Take(std::int64_t bytes) {
  const MutexLock lock(mu_);
  if (bytes > limit_bytes_ - used_bytes_) {
    return false;
  }
  used_bytes_ += bytes;
  return true;
}

std::int64_t MemoryBudget::used_bytes() const {
  const MutexLock lock(mu_);
  return used_bytes_;
}

void MemoryBudget::Release(std::int64_t bytes) {
  const MutexLock lock(mu_);
  used_bytes_ -= bytes;
}

}  // namespace spikeserve::serving
