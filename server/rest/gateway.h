#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <variant>

#include "server/base/status.h"
#include "server/rest/caller.h"
#include "server/rest/exchange.h"
#include "server/rest/http_message.h"
#include "server/rest/route.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// A request before its body is read. Without `read_body` the call is made without it: it has none, or its
// token is refused, which the call itself then says, logs and counts.
struct Admission {
  Route route;
  bool read_body = false;
};

// Makes of each HTTP request a call of our own GRPCInferenceService, and of its answer a response: nothing is
// computed, queued or limited here but the text. Thread-safe; destroyed after the server behind the channel
// was shut down.
class Gateway {
 public:
  // Says whether a value of the `authorization` header is good for an endpoint.
  using CheckToken = std::function<Status(std::string_view authorization, bool admin)>;

  Gateway(const std::shared_ptr<grpc::Channel>& channel, serving::MemoryBudget& budget,
          CheckToken check_token)
      : budget_(budget), check_token_(std::move(check_token)), caller_(channel, budget) {}

  // By what the head says alone.
  std::variant<Admission, HttpResponse> Admit(const HttpHead& head) const;
  // Has `respond` called, soon or later. From a thread of HTTP.
  void Handle(const std::shared_ptr<Exchange>& exchange);
  // From now on nothing is admitted.
  void Close() { caller_.Close(); }
  // Waits for the calls under way, which the server behind the channel has to end.
  void WaitIdle() { caller_.WaitIdle(); }

 private:
  Status Dispatch(const std::shared_ptr<Exchange>& exchange);

  serving::MemoryBudget& budget_;
  const CheckToken check_token_;
  Caller caller_;
};

}  // namespace spikeserve::rest
