#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/status.h"

namespace spikeserve::serving {

// Bytes that networks, uploads and runs may take, reserved before anything is allocated, so that
// too much work is a refusal and not an allocation failure. Thread-safe; outlives its reservations.
class MemoryBudget {
 public:
  // A part of the budget, given back on destruction. One thread at a time.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { ShrinkTo(0); }

    std::int64_t bytes() const { return bytes_; }
    // Gives back what lies above `bytes`; never grows.
    void ShrinkTo(std::int64_t bytes);

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget* budget, std::int64_t bytes) : budget_(budget), bytes_(bytes) {}

    MemoryBudget* budget_ = nullptr;
    std::int64_t bytes_ = 0;
  };

  explicit MemoryBudget(std::int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // RESOURCE_EXHAUSTED, naming `what`, where fewer than `bytes` are left.
  Result<Reservation> Reserve(std::int64_t bytes, std::string_view what);

  std::int64_t limit_bytes() const { return limit_bytes_; }
  std::int64_t used_bytes() const;

 private:
  void Release(std::int64_t bytes);

  const std::int64_t limit_bytes_;
  mutable Mutex mu_;
  std::int64_t used_bytes_ SPIKESERVE_GUARDED_BY(mu_) = 0;
};

}  // namespace spikeserve::serving
