// Who waits for a load or for its turn: until when, and what wakes it.

#include <algorithm>
#include <utility>

#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/serving/residency/residency.h"

namespace spikeserve::serving {
namespace {

// Between two looks at what waits, as long as something does.
constexpr std::chrono::milliseconds kPeriod{10};

// How long a load waits before those in use make room, and how long they do at most: one that is in use for
// longer, such as one with a session, goes on as before.
constexpr std::chrono::milliseconds kPatience{1'000};
constexpr std::chrono::milliseconds kLongestYield{2'000};

}  // namespace

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

// Nothing that fails here leaves anybody unanswered; what was not done is done at the next look.
void Residency::LookAtPending() {
  Waiters over;
  static_cast<void>(Guarded([&]() -> Status {
    const MutexLock lock(mu_);
    ExpireAll(over);
    ChooseYielding();
    WakeAll(over);
    return {};
  }));
  for (Waiter& waiter : over) {
    waiter.found(std::move(*waiter.answer));
  }
}

void Residency::ExpireAll(Waiters& over) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    auto& [key, pending] = *it;
    for (auto next = pending.waiters.begin(); next != pending.waiters.end();) {
      const auto waiter = next++;
      Status over_by =
          Guarded([&, &network = key, &load = pending] { return WhyOver(network, load, *waiter); });
      if (!over_by.ok()) {
        pending.waiting_bytes -= waiter->wait.bytes;
        waiter->answer = std::move(over_by);
        over.splice(over.end(), pending.waiters, waiter);
      }
    }
    const bool nobody = pending.stage == Stage::kBlocked && pending.waiters.empty();
    it = nobody ? pending_.erase(it) : std::next(it);
  }
}

// OK where it goes on waiting.
Status Residency::WhyOver(const Key& key, const Pending& pending, const Waiter& waiter) const {
  const Clock::TimePoint now = context_.clock.Now();
  const bool blocked = pending.stage == Stage::kBlocked;
  const auto blocked_by = [&] {  // as it stands now, unless a load has said it
    return pending.bytes > 0 && pending.pause.count() == 0 ? NoRoom(key, pending.bytes) : pending.blocked;
  };
  if (waiter.wait.cancelled.stop_requested()) {
    return {StatusCode::kCancelled, "cancelled while the network was loaded"};
  }
  if (now >= waiter.wait.deadline) {
    return {StatusCode::kDeadlineExceeded, "the deadline passed while network " + Quote(key.first) +
                                               " version " + std::to_string(key.second) + " was loaded" +
                                               (blocked ? ": " + blocked_by().message() : "")};
  }
  return blocked && now - waiter.since >= options_.max_wait ? blocked_by() : Status();
}

void Residency::WakeAll(Waiters& over) {
  for (auto it = pending_.begin(); it != pending_.end() && !stopped_;) {
    auto& [key, pending] = *it;
    if (!Wakes(key, pending)) {
      ++it;
      continue;
    }
    const auto usable = context_.registry.Use(key.first, key.second);
    if (usable.ok() && usable.value().held) {  // it was never let go of
      for (Waiter& waiter : pending.waiters) {
        waiter.answer = usable.value().held;
      }
      over.splice(over.end(), pending.waiters);
      it = pending_.erase(it);
      continue;
    }
    Post(key);
    pending.stage = Stage::kQueued;
    ++it;
  }
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
    Key to = longest->first;
    yielding_ = residents_.InTheWay(longest->second.bytes);
    yielded_to_ = std::move(to);
  }
  yields_ = !yielding_.empty();
}

bool Residency::Wakes(const Key& key, const Pending& pending) {
  return pending.stage == Stage::kBlocked && yielding_.count(key) == 0 &&
         context_.clock.Now() >= pending.retry_at && residents_.HasRoom(pending.bytes);
}

}  // namespace spikeserve::serving
