#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/transport/admission.h"
#include "server/transport/descriptor.h"
#include "server/transport/frame_counter.h"
#include "server/transport/relayed_connection.h"
#include "server/transport/tls_settings.h"
#include "server/transport/transport_options.h"
#include "server/transport/wake.h"

namespace spikeserve::transport {

// How often each rule led to what, over all relays. Thread-safe.
struct GuardCounters {
  std::array<std::atomic<std::int64_t>, kRules> pauses{};
  std::array<std::atomic<std::int64_t>, kRules> closes{};
  std::atomic<std::int64_t> silent{0};  // closed because they did not say in time what they are
};

// What relays share; all of it is thread-safe and outlives them.
struct RelayContext {
  Admission& admission;
  const Clock& clock;
  GuardCounters& counters;
  bool guarded = true;                             // by the rules of FrameCounter
  const TlsSettings* tls = nullptr;                // null: plain text
  std::function<void(int descriptor)> serve;       // becomes the owner of our connections
  std::function<void(const Offence&)> on_offence;  // called by the relays' threads
};

// Carries connections between their clients and who serves them, on a thread of its own. Thread-safe.
class Relay final : private RelayedConnection::Owner {
 public:
  explicit Relay(const RelayContext& context);
  // Once who serves has ended all connections; waits a little until their last bytes are with the clients.
  ~Relay() override;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Of a connection that Admission let in.
  void Add(Descriptor socket, std::string peer);
  // Connections with bytes that their clients do not take now.
  std::int64_t unsent() const { return unsent_; }

 private:
  using Id = std::uint64_t;
  using Timer = std::pair<Clock::TimePoint, Id>;

  std::unique_ptr<Stream> Connect() override;
  void NameEnd(int descriptor) const;
  // Counts whether the connection has bytes that its client does not take.
  void CountUnsent(RelayedConnection& connection, bool unsent);
  Clock::TimePoint::duration Count(const std::string& peer, const Toll& toll) override;

  void Run();
  void TakeNewcomers();
  void Await();
  void TakeTimers();
  void Pump(Id id);
  void Close(Id id);
  void Punish(const RelayedConnection& connection);
  // -1: there is nothing to wait for.
  int TimeoutMs() const;
  bool Finished();
  bool Register(int descriptor, std::uint64_t tag) const;

  const RelayContext& context_;
  Descriptor epoll_;
  Wake wake_;
  std::atomic<bool> stopping_ = false;
  Mutex mu_;
  std::vector<std::pair<Descriptor, std::string>> newcomers_ SPIKESERVE_GUARDED_BY(mu_);

  // Of the thread alone.
  std::vector<std::uint8_t> buffer_;
  std::atomic<std::int64_t> unsent_{0};
  std::unordered_map<Id, std::unique_ptr<RelayedConnection>> connections_;
  std::vector<Id> ready_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  Id next_id_ = 1;
  Id pumped_ = 0;  // whose turn it is
  Clock::TimePoint now_;
  Clock::TimePoint stop_at_;

  std::thread thread_;  // last: uses what is above
};

}  // namespace spikeserve::transport
