#include "server/serving/residency/residency.h"

#include <algorithm>

#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/serving/networks/aliases.h"

namespace spikeserve::serving {
namespace {

// Between two looks at what waits, as long as something does.
constexpr std::chrono::milliseconds kPeriod{10};
// Before a load that found no room, though there seemed to be some, is tried again; doubled each time.
constexpr std::chrono::milliseconds kFirstPause{20};
constexpr std::chrono::milliseconds kLongestPause{1'000};

// How long a load waits before those in use make room, and how long they do at most: one that is in use for
// longer, such as one with a session, goes on as before.
constexpr std::chrono::milliseconds kPatience{1'000};
constexpr std::chrono::milliseconds kLongestYield{2'000};

std::string Describe(const std::string& name, std::int64_t version) {
  return "network " + Quote(name) + " version " + std::to_string(version);
}

Status NoRoom(const std::string& name, std::int64_t version, std::int64_t bytes, const MemoryBudget& budget,
              const ResidentSet& residents) {
  return ResourceExhausted(
      Describe(name, version) + " is not resident, and there is no room: " + std::to_string(bytes) +
      " bytes are needed, " + std::to_string(budget.available_bytes()) + " available of " +
      std::to_string(budget.limit_bytes()) + " (--memory-budget-mb); " + residents.Describe());
}

}  // namespace

Residency::Residency(ResidencyContext context, ResidencyOptions options)
    : context_(std::move(context)),
      options_(std::move(options)),
      residents_(context_.registry, context_.budget, options_.pins, [this](const Resident& resident) {
        context_.tell(
            {ResidencyNews::Kind::kEvicted, resident.name, resident.version, resident.bytes, 0, {}});
      }) {
  if (options_.on_demand) {
    watch_ = std::jthread([this](const std::stop_token& stop) { Watch(stop); });
  }
}

std::optional<Result<NetworkHandle>> Residency::Find(const std::string& name, std::int64_t version, Wait wait,
                                                     Found found) {
  const auto usable = context_.aliases.Find(
      name, version,
      [this](const std::string& base, std::int64_t number) { return context_.registry.Use(base, number); });
  if (!usable.ok()) {
    return usable.status();
  }
  const NetworkHandle& held = usable.value().held;
  const NetworkEntry& entry = held ? *held : *usable.value().outline;
  if (held && !(yields_ && Yields({entry.name, entry.version}))) {
    return held;
  }
  Waiter waiter{name, version, context_.clock.Now(), std::move(wait), std::move(found)};
  if (Status refused = Enter(entry, std::move(waiter)); !refused.ok()) {
    return refused;
  }
  changed_.notify_one();
  return std::nullopt;
}

bool Residency::Yields(const Key& key) {
  const MutexLock lock(mu_);
  return yielding_.count(key) > 0;
}

Status Residency::Enter(const NetworkEntry& network, Waiter waiter) {
  const Key key(network.name, network.version);
  const MutexLock lock(mu_);
  if (stopped_) {
    return Unavailable("the server is shutting down");
  }
  const Beside beside = BesideWait(key, waiter.wait);
  if (Status fits = CheckFits(network, beside); !fits.ok()) {
    if (pending_.count(key) == 0) {
      context_.tell({ResidencyNews::Kind::kLoadFailed, key.first, key.second, 0, 0, fits});
    }
    return fits;
  }
  const auto [pending, is_new] = pending_.try_emplace(key);
  pending->second.waiting_bytes += waiter.wait.bytes;
  pending->second.waiters.push_back(std::move(waiter));
  if (is_new) {
    pending->second.load_bytes = context_.loader.ReloadBytes(network);
    pending->second.kept = beside.kept;
    pending->second.since = context_.clock.Now();
    if (network.resident) {
      pending->second.stage = Stage::kBlocked;
      pending->second.blocked = ResourceExhausted(Describe(key.first, key.second) +
                                                  " takes no requests while others wait for its memory");
    } else {
      Post(key);
    }
  }
  return {};
}

std::vector<std::pair<StoredVersion, Status>> Residency::Fill() {
  std::vector<std::pair<StoredVersion, Status>> failed;
  std::vector<NetworkListing> stored = context_.registry.List();
  std::erase_if(stored, [](const NetworkListing& listing) { return listing.state != NetworkState::kStored; });
  const auto rest = std::stable_partition(
      stored.begin(), stored.end(),
      [this](const NetworkListing& listing) { return residents_.IsPinned(listing.name, listing.version); });
  for (auto it = stored.begin(); it != stored.end(); ++it) {
    const NetworkEntry& outline = *it->handle;
    if (it >= rest && context_.budget.available_bytes() < context_.loader.ReloadBytes(outline)) {
      continue;
    }
    const Clock::TimePoint since = context_.clock.Now();
    const auto loaded = context_.loader.Reload(outline);
    if (loaded.ok()) {
      context_.tell({ResidencyNews::Kind::kLoaded,
                     it->name,
                     it->version,
                     loaded.value()->reservation.bytes(),
                     std::chrono::duration<double>(context_.clock.Now() - since).count(),
                     {}});
    } else if (it < rest || loaded.status().code() != StatusCode::kResourceExhausted) {
      failed.push_back({{it->name, it->version}, loaded.status()});
    }
  }
  if (options_.on_demand) {
    context_.budget.SetMakeRoom([this](std::int64_t bytes) {
      return residents_.MakeRoom(bytes) ? std::string() : residents_.Describe();
    });
  }
  return failed;
}

void Residency::Stop() {
  Answers answers;
  {
    const MutexLock lock(mu_);
    stopped_ = true;
    for (auto& [key, pending] : pending_) {
      for (Waiter& waiter : pending.waiters) {
        answers.emplace_back(std::move(waiter.found), Unavailable("the server is shutting down"));
      }
      pending.waiters.clear();
    }
  }
  for (auto& [found, result] : answers) {
    found(std::move(result));
  }
  watch_ = {};
}

// Behind the uploads and unloads that were asked for before, so that none of them meets a load of the same
// name.
void Residency::Post(const Key& key) {
  context_.tasks.Post([this, key] {
    const Status status = Guarded([&]() -> Status {
      Load(key);
      return {};
    });
    if (!status.ok()) {
      Finish(key, status);
    }
  });
}

void Residency::Load(const Key& key) {
  {
    const MutexLock lock(mu_);
    const auto pending = pending_.find(key);
    if (stopped_ || pending == pending_.end()) {
      return;
    }
    pending->second.stage = Stage::kLoading;
  }
  auto usable = context_.registry.Use(key.first, key.second);
  if (!usable.ok()) {
    return Finish(key, usable.status());
  }
  if (usable.value().held) {  // nothing was loaded for those who wait
    const auto pending = Take(key);
    return pending ? Answer(pending->waiters, key, usable.value().held) : void();
  }
  const NetworkEntry& outline = *usable.value().outline;
  if (Status fits = CheckFits(outline, {residents_.Kept()}); !fits.ok()) {
    return Finish(key, fits);
  }
  const std::int64_t bytes = context_.loader.ReloadBytes(outline);
  if (!residents_.MakeRoom(bytes)) {
    return Block(key, NoRoom(key.first, key.second, bytes, context_.budget, residents_), bytes, false);
  }
  const auto loaded = context_.loader.Reload(outline);
  if (loaded.status().code() != StatusCode::kResourceExhausted) {
    return Finish(key, loaded);
  }
  // It may know better by now what it takes.
  if (Status fits = CheckFits(outline, {residents_.Kept()}); !fits.ok()) {
    return Finish(key, fits);
  }
  Block(key, loaded.status(), context_.loader.ReloadBytes(outline), true);
}

Status Residency::CheckFits(const NetworkEntry& network, const Beside& beside) const {
  const std::int64_t bytes = context_.loader.ReloadBytes(network);
  const std::int64_t limit = context_.budget.limit_bytes();
  const std::int64_t stays =
      beside.kept.networks + beside.kept.outlines + options_.cache_bytes + beside.waiting_bytes;
  if (std::max(bytes, beside.load_bytes) + stays <= limit) {
    return {};
  }
  return ResourceExhausted(
      Describe(network.name, network.version) +
      " is not resident, and there will be no room: " + std::to_string(bytes) + " bytes are needed" +
      (beside.load_bytes > bytes
           ? ", and " + std::to_string(beside.load_bytes) + " for a network that others wait for"
           : "") +
      "; networks that are pinned hold " + std::to_string(beside.kept.networks) +
      ", what all networks are shown by " + std::to_string(beside.kept.outlines) + ", the response cache " +
      std::to_string(options_.cache_bytes) + ", requests that wait for a load " +
      std::to_string(beside.waiting_bytes) + " of " + std::to_string(limit) + " (--memory-budget-mb)");
}

Residency::Beside Residency::BesideWait(const Key& key, const Wait& wait) const {
  const auto known = pending_.find(key);
  Beside beside{known == pending_.end() ? residents_.Kept() : known->second.kept, wait.bytes, 0};
  for (const auto& [other, pending] : pending_) {
    beside.waiting_bytes += pending.waiting_bytes;
    beside.load_bytes = std::max(beside.load_bytes, pending.load_bytes);
  }
  return beside;
}

void Residency::Block(const Key& key, const Status& why, std::int64_t bytes, bool tried) {
  const MutexLock lock(mu_);
  const auto found = pending_.find(key);
  if (found == pending_.end()) {
    return;
  }
  Pending& pending = found->second;
  pending.stage = Stage::kBlocked;
  pending.blocked = why;
  pending.bytes = bytes;
  if (tried) {
    pending.pause = std::clamp(2 * pending.pause, kFirstPause, kLongestPause);
    pending.retry_at = context_.clock.Now() + pending.pause;
  }
}

std::optional<Residency::Pending> Residency::Take(const Key& key) {
  const MutexLock lock(mu_);
  const auto taken = pending_.extract(key);
  return taken.empty() ? std::nullopt : std::optional(std::move(taken.mapped()));
}

void Residency::Finish(const Key& key, const Result<NetworkHandle>& result) {
  const auto pending = Take(key);
  if (!pending) {
    return;
  }
  const double seconds = std::chrono::duration<double>(context_.clock.Now() - pending->since).count();
  context_.tell({result.ok() ? ResidencyNews::Kind::kLoaded : ResidencyNews::Kind::kLoadFailed, key.first,
                 key.second, result.ok() ? result.value()->reservation.bytes() : 0, seconds,
                 result.status()});
  Answer(pending->waiters, key, result);
}

void Residency::Answer(const std::vector<Waiter>& waiters, const Key& key,
                       const Result<NetworkHandle>& result) {
  for (const Waiter& waiter : waiters) {
    if (result.status().code() == StatusCode::kNotFound && MeansAnother(waiter, key)) {
      if (auto again = Find(waiter.name, waiter.version, waiter.wait, waiter.found)) {
        waiter.found(std::move(*again));
      }
      continue;
    }
    waiter.found(result);
  }
}

// Whether an alias, or no version, stands for something else by now than what was unloaded.
bool Residency::MeansAnother(const Waiter& waiter, const Key& key) const {
  if (waiter.version != 0) {
    return false;
  }
  const auto now = context_.aliases.Find(
      waiter.name, waiter.version,
      [this](const std::string& base, std::int64_t number) { return context_.registry.Show(base, number); });
  return now.ok() && now.value()->version != key.second;
}

void Residency::Watch(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      const MutexLock lock(mu_);
      changed_.wait(mu_, stop, [this]() SPIKESERVE_REQUIRES(mu_) { return !pending_.empty(); });
      // Cancellations and memory that is given back do not tell; who waits is not kept for long.
      changed_.wait_for(mu_, stop, kPeriod, [] { return false; });
    }
    LookAtPending();
  }
}

void Residency::LookAtPending() {
  Answers answers;
  {
    const MutexLock lock(mu_);
    ChooseYielding();
    for (auto it = pending_.begin(); it != pending_.end() && !stopped_;) {
      auto& [key, pending] = *it;
      Expire(key, pending, answers);
      if (pending.stage == Stage::kBlocked && pending.waiters.empty()) {
        it = pending_.erase(it);
        continue;
      }
      if (!Wakes(key, pending)) {
        ++it;
        continue;
      }
      const auto usable = context_.registry.Use(key.first, key.second);
      if (usable.ok() && usable.value().held) {  // it was never let go of
        for (Waiter& waiter : pending.waiters) {
          answers.emplace_back(std::move(waiter.found), usable.value().held);
        }
        it = pending_.erase(it);
        continue;
      }
      pending.stage = Stage::kQueued;
      Post(key);
      ++it;
    }
  }
  for (auto& [found, result] : answers) {
    found(std::move(result));
  }
}

void Residency::Expire(const Key& key, Pending& pending, Answers& answers) {
  const Clock::TimePoint now = context_.clock.Now();
  const bool blocked = pending.stage == Stage::kBlocked;
  const auto blocked_by = [&] {  // as it stands now, unless a load has said it
    return pending.bytes > 0 && pending.pause.count() == 0
               ? NoRoom(key.first, key.second, pending.bytes, context_.budget, residents_)
               : pending.blocked;
  };
  std::erase_if(pending.waiters, [&](Waiter& waiter) {
    std::optional<Status> why;
    if (waiter.wait.cancelled.stop_requested()) {
      why = Status(StatusCode::kCancelled, "cancelled while the network was loaded");
    } else if (now >= waiter.wait.deadline) {
      why = Status(StatusCode::kDeadlineExceeded, "the deadline passed while " +
                                                      Describe(key.first, key.second) + " was loaded" +
                                                      (blocked ? ": " + blocked_by().message() : ""));
    } else if (blocked && now - waiter.since >= options_.max_wait) {
      why = blocked_by();
    }
    if (why) {
      pending.waiting_bytes -= waiter.wait.bytes;
      answers.emplace_back(std::move(waiter.found), *why);
    }
    return why.has_value();
  });
}

void Residency::ChooseYielding() {
  const Clock::TimePoint now = context_.clock.Now();
  const std::pair<const Key, Pending>* longest = nullptr;
  for (auto& item : pending_) {
    Pending& pending = item.second;
    if (pending.stage == Stage::kQueued || pending.bytes == 0) {
      continue;
    }
    if (now - std::max(pending.since, pending.turn_from) >= kPatience + kLongestYield) {
      pending.turn_from = now;  // its turn was in vain: others have theirs before the next
    }
    if (now - std::max(pending.since, pending.turn_from) >= kPatience &&
        (longest == nullptr || pending.since < longest->second.since)) {
      longest = &item;
    }
  }
  if (longest == nullptr) {
    yielding_.clear();
    yielded_to_ = {};
  } else if (yielded_to_ != longest->first) {  // those that yield stay the same while it has its turn
    yielded_to_ = longest->first;
    yielding_ = residents_.InTheWay(longest->second.bytes);
  }
  yields_ = !yielding_.empty();
}

bool Residency::Wakes(const Key& key, const Pending& pending) {
  return pending.stage == Stage::kBlocked && yielding_.count(key) == 0 &&
         context_.clock.Now() >= pending.retry_at && residents_.HasRoom(pending.bytes);
}

}  // namespace spikeserve::serving
