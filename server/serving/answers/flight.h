#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/serving/answers/kept_answers.h"
#include "server/serving/requests/request.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::serving {

class Answers;

// A request that waits for an answer that others may wait for too.
struct Waiter {
  ResultSink* sink = nullptr;
  Clock::TimePoint deadline;
  std::stop_token cancelled;
  Clock::TimePoint since;
  std::optional<Request> request;  // all of it, until a run is begun for it
  Tenant::Permit* permit = nullptr;
};

// Equal requests, and the run that they wait for. All but the constants is guarded by the mutex of Answers.
struct Flight final : public ResultSink, public std::enable_shared_from_this<Flight> {
  // With the priority: who is in a hurry does not wait for who is not.
  using Key = std::pair<AnswerKey, std::int64_t>;

  Flight(Answers& of, Key equal, AnswerOrigin network)
      : answers(of), key(std::move(equal)), origin(std::move(network)) {}

  void OnProgress(engine::Reading) noexcept override {}
  void OnDone(const Status& status, RunOutcome outcome) noexcept override;

  Answers& answers;
  const Key key;
  const AnswerOrigin origin;
  std::list<Waiter> waiters;
  Waiter* owner = nullptr;  // of these the one that the run is begun for; null: it has left
  bool beginning = false;   // the owner is busy with that, and left alone meanwhile
  std::int64_t begins = 0;  // tells one run from the next
  Clock::TimePoint begun;   // when the run was queued
  // The latest deadline of all that came since; the run ends with it.
  const std::shared_ptr<std::atomic<Clock::TimePoint>> ends_by =
      std::make_shared<std::atomic<Clock::TimePoint>>(Clock::TimePoint::min());
  std::stop_source unwanted;  // ends the run
  // Its place among those without an owner, made beforehand: to get there must not fail.
  std::list<std::shared_ptr<Flight>> place;
  std::shared_ptr<Flight> own;  // while the batcher has the run
};

}  // namespace spikeserve::serving
