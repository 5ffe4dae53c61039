#pragma once

#include <functional>
#include <string>

#include "server/base/clock.h"
#include "server/rpc/access/authorizer.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_log.h"
#include "server/rpc/context/call_watch.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/wire/limits.h"
#include "server/serving/answers/answers.h"
#include "server/serving/memory_budget.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/requests/batcher.h"
#include "server/serving/residency/residency.h"
#include "server/serving/task_thread.h"

namespace spikeserve::rpc {

// What the services work with. All of it is thread-safe and outlives them and their calls.
struct ServiceContext {
  serving::NetworkRegistry& registry;
  const serving::NetworkLoader& loader;
  serving::Residency& residency;
  serving::Aliases& aliases;
  serving::Batcher& batcher;
  serving::Answers* answers;  // null: no request is answered by the run of another
  serving::MemoryBudget& budget;
  serving::TaskThread& tasks;
  serving::Metrics& metrics;
  const Clock& clock;
  const EventLog& log;
  CallLog& calls;
  const Authorizer& authorizer;
  CallGate& gate;
  CallWatch& watch;
  Limits limits;
  std::string version;          // of the server
  std::function<bool()> ready;  // whether it takes requests
};

}  // namespace spikeserve::rpc
