#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/residency/resident_set.h"
#include "server/serving/task_thread.h"

namespace spikeserve::serving {

// What was done about a network, to be counted and logged.
struct ResidencyNews {
  enum class Kind { kLoaded, kLoadFailed, kEvicted };
  Kind kind = Kind::kLoaded;
  std::string name;
  std::int64_t version = 0;
  std::int64_t bytes = 0;  // that it holds, or held
  double seconds = 0;      // from the first request for it on; of a load
  Status status;           // of a load
};

struct ResidencyOptions {
  bool on_demand = false;
  std::vector<Pin> pins;
  std::chrono::milliseconds max_wait{30'000};  // of a request, for others to make room
  std::int64_t cache_bytes = 0;                // of the budget, that the response cache has for good
};

// Everything outlives the residency; `tasks` until Stop.
struct ResidencyContext {
  NetworkRegistry& registry;
  const NetworkLoader& loader;
  MemoryBudget& budget;
  TaskThread& tasks;
  const Aliases& aliases;
  const Clock& clock;
  std::function<void(const ResidencyNews&)> tell;  // by any thread; returns at once
};

// Makes networks resident that are stored, when a request asks for them: one load, however many ask. Makes
// room by letting go of those that nobody has used for longest, never of one in use or pinned. Where
// all are in use without a pause, some take no new requests for a while, so that others have their turn.
// Thread-safe.
class Residency {
 public:
  // Who asks: until when it waits, whether it still does, and the bytes of the budget that it holds
  // meanwhile, which no load can have.
  struct Wait {
    Clock::TimePoint deadline = Clock::TimePoint::max();
    std::stop_token cancelled = {};
    std::int64_t bytes = 0;
  };
  // Called once, by a thread of the server, and does not throw.
  using Found = std::function<void(Result<NetworkHandle>)>;

  Residency(ResidencyContext context, ResidencyOptions options);
  ~Residency() { Stop(); }
  Residency(const Residency&) = delete;
  Residency& operator=(const Residency&) = delete;

  // The network, held, or why there is none, if that is known at once. Nothing where it has to be loaded:
  // `found` is called then, and only then. NOT_FOUND, UNAVAILABLE, RESOURCE_EXHAUSTED where no room can be
  // made, at once where what waits would leave too little for a load; DEADLINE_EXCEEDED, CANCELLED, what the
  // load says.
  std::optional<Result<NetworkHandle>> Find(const std::string& name, std::int64_t version, Wait wait,
                                            Found found);
  // Makes resident what is pinned and as much of the rest as fits; before requests come. From then on room is
  // made. What is pinned and could not be loaded, with the reason.
  std::vector<std::pair<StoredVersion, Status>> Fill();
  // Makes a version resident that is pinned and came later, such as by polling; behind the loads before. What
  // comes of it is told.
  void LoadPinned(const StoredVersion& stored);
  // Answers who still waits with UNAVAILABLE, and loads nothing more.
  void Stop();

 private:
  struct Waiter {
    std::string name;  // NAME or NAME@ALIAS, as it was asked for, and the version
    std::int64_t version = 0;
    Clock::TimePoint since;
    Wait wait;
    Found found;
    std::optional<Result<NetworkHandle>> answer;  // once it is to be given
  };
  // From one list to another without an allocation: what cannot fail leaves nobody unanswered.
  using Waiters = std::list<Waiter>;
  enum class Stage { kQueued, kLoading, kBlocked };
  // A load that somebody waits for.
  struct Pending {
    Waiters waiters;
    std::int64_t waiting_bytes = 0;  // that they hold
    std::int64_t load_bytes = 0;     // that the load needs
    KeptBytes kept;                  // that no load could have when the first of them came
    Clock::TimePoint since;
    Clock::TimePoint turn_from{};  // when it began to wait for its next turn, if it has had one
    Stage stage = Stage::kQueued;
    Status blocked;             // why it is
    std::int64_t bytes = 0;     // that it needs, where it is blocked
    Clock::TimePoint retry_at;  // not before
    std::chrono::milliseconds pause{0};
  };
  using Key = std::pair<std::string, std::int64_t>;

  std::optional<Result<NetworkHandle>> FindOrWait(const std::string& name, std::int64_t version, Wait wait,
                                                  Found found);
  bool Yields(const Key& key) SPIKESERVE_EXCLUDES(mu_);
  // One more waits, for the load of a network or for its turn. Why it cannot, where it is refused.
  Status Enter(const NetworkEntry& network, Waiters waiter) SPIKESERVE_EXCLUDES(mu_);
  void Post(const Key& key);
  void Load(const Key& key);
  // What beside the load of a network takes memory for as long as that is not over.
  struct Beside {
    KeptBytes kept;
    std::int64_t waiting_bytes = 0;  // of requests
    std::int64_t load_bytes = 0;     // of the largest load that others wait for, which comes before or after
  };
  // RESOURCE_EXHAUSTED where the load, or that of the others, will not fit, whoever makes room.
  Status CheckFits(const NetworkEntry& network, const Beside& beside) const;
  // What there is for one more who waits for `key`.
  Beside BesideWait(const Key& key, const Wait& wait) const SPIKESERVE_REQUIRES(mu_);
  void Block(const Key& key, const Status& why, std::int64_t bytes, bool tried);
  // Takes out those who wait for `key`; none where nobody does any more.
  std::optional<Pending> Take(const Key& key) SPIKESERVE_EXCLUDES(mu_);
  // The end of a load: told, and those who wait are answered.
  void Finish(const Key& key, Result<NetworkHandle> result);
  void Answer(Waiters waiters, const Key& key, const Result<NetworkHandle>& result);
  bool MeansAnother(const Waiter& waiter, const Key& key) const;
  // Why a load did not find what it needs.
  Status NoRoom(const Key& key, std::int64_t bytes) const;

  // In residency_waiting.cc:
  void Watch(const std::stop_token& stop);
  // Answers who does not wait any longer, and posts what there may be room for by now.
  void LookAtPending();
  void ExpireAll(Waiters& over) SPIKESERVE_REQUIRES(mu_);
  Status WhyOver(const Key& key, const Pending& pending, const Waiter& waiter) const;
  // Which networks take no new requests, so that what is blocked for long has its turn.
  void ChooseYielding() SPIKESERVE_REQUIRES(mu_);
  void WakeAll(Waiters& over) SPIKESERVE_REQUIRES(mu_);
  bool Wakes(const Key& key, const Pending& pending) SPIKESERVE_REQUIRES(mu_);

  const ResidencyContext context_;
  const ResidencyOptions options_;
  ResidentSet residents_;
  Mutex mu_;
  std::condition_variable_any changed_;
  std::map<Key, Pending> pending_ SPIKESERVE_GUARDED_BY(mu_);
  std::set<Key> yielding_ SPIKESERVE_GUARDED_BY(mu_);
  Key yielded_to_ SPIKESERVE_GUARDED_BY(mu_);
  std::atomic<bool> filled_ = false;  // by Fill, which loads what is pinned until then
  std::atomic<bool> yields_ = false;  // whether any of them does, for who has no time to look
  bool stopped_ SPIKESERVE_GUARDED_BY(mu_) = false;
  std::jthread watch_;  // runs only on demand
};

}  // namespace spikeserve::serving
