#pragma once

#include <chrono>
#include <stop_token>
#include <utility>

#include "server/base/clock.h"
#include "server/rest/rest_server.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/health_reporter.h"
#include "server/rpc/rpc_server.h"
#include "server/serving/requests/batcher.h"

namespace spikeserve::app {

// How long a server takes to go.
struct DepartureTimes {
  // Between saying that it is not ready and going. It serves as usual in the first half, for balancers and
  // clients to hear of it; in the second it refuses new calls, unless nothing is under way any more. Left out
  // where there is nobody to hear of it.
  std::chrono::milliseconds lame_duck{0};
  std::chrono::seconds patience{0};  // then for what is under way
};

// The end of a server whose clients are not to notice: lame duck, drain, connections closed. A call that is
// not answered any more ends with UNAVAILABLE, never with CANCELLED: clients may repeat only the former.
// Once, by one thread.
class Departure {
 public:
  // What goes. All of it outlives the departure; without `rest` there is no HTTP.
  struct Parts {
    rpc::HealthReporter& health;
    rpc::CallGate& gate;
    serving::Batcher& batcher;
    rpc::RpcServer& server;
    rest::RestServer* rest;
    const Clock& clock;
    const rpc::EventLog& log;
  };

  // A stop of `hurry` ends all waiting.
  Departure(const Parts& parts, const DepartureTimes& times, std::stop_token hurry)
      : parts_(parts), times_(times), hurry_(std::move(hurry)) {}

  // Returns once no call is under way and no client connected. The servers are still to be shut down.
  void Run();

 private:
  bool AnybodyThere() const;
  void BeLame();
  void Finish();
  void Disconnect();

  const Parts parts_;
  const DepartureTimes times_;
  const std::stop_token hurry_;
  bool cancelled_ = false;  // calls were, and their clients are to hear of it
};

}  // namespace spikeserve::app
