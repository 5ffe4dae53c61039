#include "server/serving/residency/residency.h"

#include <algorithm>

#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/serving/networks/aliases.h"

namespace spikeserve::serving {
namespace {

// Before a load that found no room, though there seemed to be some, is tried again; doubled each time.
constexpr std::chrono::milliseconds kFirstPause{20};
constexpr std::chrono::milliseconds kLongestPause{1'000};

std::string Describe(const std::string& name, std::int64_t version) {
  return "network " + Quote(name) + " version " + std::to_string(version);
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
  return Guarded([&] { return FindOrWait(name, version, std::move(wait), std::move(found)); },
                 "while looking for a network");
}

std::optional<Result<NetworkHandle>> Residency::FindOrWait(const std::string& name, std::int64_t version,
                                                           Wait wait, Found found) {
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
  Waiters waiter;
  waiter.push_back({name, version, context_.clock.Now(), std::move(wait), std::move(found), std::nullopt});
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

// Whatever throws here does so before anybody waits, or takes out again who does.
Status Residency::Enter(const NetworkEntry& network, Waiters waiter) {
  const Key key(network.name, network.version);
  const MutexLock lock(mu_);
  if (stopped_) {
    return Unavailable("the server is shutting down");
  }
  const Wait& wait = waiter.front().wait;
  const Beside beside = BesideWait(key, wait);
  const auto known = pending_.find(key);
  if (Status fits = CheckFits(network, beside); !fits.ok()) {
    if (known == pending_.end()) {
      context_.tell({ResidencyNews::Kind::kLoadFailed, key.first, key.second, 0, 0, fits});
    }
    return fits;
  }
  if (known != pending_.end()) {
    known->second.waiting_bytes += wait.bytes;
    known->second.waiters.splice(known->second.waiters.end(), waiter);
    return {};
  }
  Pending pending;
  pending.waiting_bytes = wait.bytes;
  pending.load_bytes = context_.loader.ReloadBytes(network);
  pending.kept = beside.kept;
  pending.since = waiter.front().since;
  if (network.resident) {
    pending.stage = Stage::kBlocked;
    pending.blocked = ResourceExhausted(Describe(key.first, key.second) +
                                        " takes no requests while others wait for its memory");
  }
  pending.waiters = std::move(waiter);
  const auto place = pending_.emplace(key, std::move(pending)).first;
  if (!network.resident) {
    try {
      Post(key);
    } catch (...) {
      pending_.erase(place);
      throw;
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
  filled_ = true;
  return failed;
}

void Residency::LoadPinned(const StoredVersion& stored) {
  if (!filled_ || !options_.on_demand || !residents_.IsPinned(stored.name, stored.version)) {
    return;
  }
  const auto tell = [this, stored](const Status& failed) {
    context_.tell({ResidencyNews::Kind::kLoadFailed, stored.name, stored.version, 0, 0, failed});
  };
  // A load that fails is told of where it ends; not that nobody has made room for it in time.
  const auto found = Find(stored.name, stored.version, {}, [tell](const Result<NetworkHandle>& loaded) {
    if (loaded.status().code() == StatusCode::kResourceExhausted) {
      static_cast<void>(Guarded([&]() -> Status {
        tell(loaded.status());
        return {};
      }));
    }
  });
  static_cast<void>(found);
}

void Residency::Stop() {
  Waiters over;
  {
    const MutexLock lock(mu_);
    stopped_ = true;
    for (auto& [key, pending] : pending_) {
      over.splice(over.end(), pending.waiters);
    }
  }
  for (const Waiter& waiter : over) {
    waiter.found(
        Guarded([]() -> Result<NetworkHandle> { return Unavailable("the server is shutting down"); }));
  }
  watch_ = {};
}

// Behind the uploads and unloads that were asked for before, so that none of them meets a load of the same
// name.
void Residency::Post(const Key& key) {
  context_.tasks.Post([this, key] {
    Status status = Guarded([&]() -> Status {
      Load(key);
      return {};
    });
    if (!status.ok()) {
      Finish(key, std::move(status));
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
    auto pending = Take(key);
    return pending ? Answer(std::move(pending->waiters), key, usable.value().held) : void();
  }
  const NetworkEntry& outline = *usable.value().outline;
  if (Status fits = CheckFits(outline, {residents_.Kept()}); !fits.ok()) {
    return Finish(key, fits);
  }
  const std::int64_t bytes = context_.loader.ReloadBytes(outline);
  if (!residents_.MakeRoom(bytes)) {
    return Block(key, NoRoom(key, bytes), bytes, false);
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

Status Residency::NoRoom(const Key& key, std::int64_t bytes) const {
  return ResourceExhausted(
      Describe(key.first, key.second) + " is not resident, and there is no room: " + std::to_string(bytes) +
      " bytes are needed, " + std::to_string(context_.budget.available_bytes()) + " available of " +
      std::to_string(context_.budget.limit_bytes()) + " (--memory-budget-mb); " + residents_.Describe());
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

// Nothing that fails here leaves anybody unanswered.
void Residency::Finish(const Key& key, Result<NetworkHandle> result) {
  auto pending = Take(key);
  if (!pending) {
    return;
  }
  static_cast<void>(Guarded([&]() -> Status {
    const double seconds = std::chrono::duration<double>(context_.clock.Now() - pending->since).count();
    context_.tell({result.ok() ? ResidencyNews::Kind::kLoaded : ResidencyNews::Kind::kLoadFailed, key.first,
                   key.second, result.ok() ? result.value()->reservation.bytes() : 0, seconds,
                   result.status()});
    return {};
  }));
  Answer(std::move(pending->waiters), key, result);
}

void Residency::Answer(Waiters waiters, const Key& key, const Result<NetworkHandle>& result) {
  for (const Waiter& waiter : waiters) {
    auto answer = Guarded([&]() -> std::optional<Result<NetworkHandle>> {
      if (result.status().code() == StatusCode::kNotFound && MeansAnother(waiter, key)) {
        return Find(waiter.name, waiter.version, waiter.wait, waiter.found);
      }
      return result.ok() ? result : Aliases::OfAlias(waiter.name, key.second, result.status());
    });
    if (answer) {
      waiter.found(std::move(*answer));
    }
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

}  // namespace spikeserve::serving
