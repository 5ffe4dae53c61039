#pragma once

#include <cstdint>
#include <functional>
#include <string>
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

  // Asked where `bytes` are not available, by who reserves them; makes room if it can. Says what holds the
  // memory where it cannot.
  using MakeRoom = std::function<std::string(std::int64_t bytes)>;
  // Before others use the budget.
  void SetMakeRoom(MakeRoom make_room) { make_room_ = std::move(make_room); }

  // RESOURCE_EXHAUSTED, naming `what`, where fewer than `bytes` are left and no room can be made.
  Result<Reservation> Reserve(std::int64_t bytes, std::string_view what);

  std::int64_t limit_bytes() const { return limit_bytes_; }
  std::int64_t used_bytes() const;
  std::int64_t available_bytes() const { return limit_bytes_ - used_bytes(); }

 private:
  bool Take(std::int64_t bytes);
  void Release(std::int64_t bytes);

  const std::int64_t limit_bytes_;
  MakeRoom make_room_;  // none: nothing makes room
  mutable Mutex mu_;
  std::int64_t used_bytes_ SPIKESERVE_GUARDED_BY(mu_) = 0;
};

}  // namespace spikeserve::serving
