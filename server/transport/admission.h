#pragma once

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/transport/frame_counter.h"
#include "server/transport/token_bucket.h"
#include "server/transport/transport_options.h"

namespace spikeserve::transport {

// Why a connection is closed as soon as it was taken.
enum class Refusal { kNone, kTotal, kAddress, kRate, kJail, kDescriptors };
inline constexpr std::size_t kRefusals = 6;
const char* RefusalName(Refusal refusal);

// Who connects, as far as shares are counted: an IPv4 address, or the /64 network of an IPv6 address, of
// which one user has them all. Empty for a unix socket, whose users cannot be told apart.
std::string PeerOf(const sockaddr_storage& address);

// Who may connect: so many in all, so many of one address, so often, and nobody who has just broken a rule.
// Peers are those of PeerOf; an empty one is counted in the total alone. Thread-safe.
class Admission {
 public:
  explicit Admission(const AdmissionOptions& options) : options_(options) {}

  // kNone: let in, and counted until Leave.
  Refusal Enter(const std::string& peer, Clock::TimePoint now);
  void Leave(const std::string& peer);
  // Counts a connection that was let in and could not be kept.
  void CountRefusal(Refusal refusal);
  // `peer` broke a rule: it may not connect for a while, twice as long each time, which is returned; zero
  // where that is so already, or it has no address.
  std::chrono::seconds Jail(const std::string& peer, Clock::TimePoint now);

  // What a connection of `peer` has cost: how long it should not be read now, so that all of them together do
  // not keep the server busy. Zero for a unix socket.
  Clock::TimePoint::duration Count(const std::string& peer, const Toll& toll, Clock::TimePoint now);

  int connections() const;
  // By Refusal, since the start.
  std::array<std::int64_t, kRefusals> refusals() const;

 private:
  struct Address {
    int connections = 0;
    TokenBucket newcomers;
    std::chrono::seconds sentence{0};  // the last one
    Clock::TimePoint free_at{};
    TokenBucket resets{2'000, 4'000};
    TokenBucket instant_resets{200, 500};
    TokenBucket header_bytes{1 << 20, 2 << 20};
  };

  Refusal Judge(const std::string& peer, Clock::TimePoint now) SPIKESERVE_REQUIRES(mu_);
  Address& Find(const std::string& peer) SPIKESERVE_REQUIRES(mu_);
  void Sweep(Clock::TimePoint now) SPIKESERVE_REQUIRES(mu_);

  const AdmissionOptions options_;
  mutable Mutex mu_;
  int connections_ SPIKESERVE_GUARDED_BY(mu_) = 0;
  std::array<std::int64_t, kRefusals> refusals_ SPIKESERVE_GUARDED_BY(mu_){};
  std::unordered_map<std::string, Address> addresses_ SPIKESERVE_GUARDED_BY(mu_);
  Clock::TimePoint swept_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::transport
