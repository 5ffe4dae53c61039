#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <variant>

#include "server/base/request_id.h"
#include "server/base/status.h"
#include "server/http/service.h"
#include "server/rest/caller.h"
#include "server/rest/exchange.h"
#include "server/rest/route.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// Makes of each HTTP request a call of our own GRPCInferenceService, and of its answer a response: nothing is
// computed, queued or limited here but the text. Thread-safe; destroyed after the server behind the channel
// was shut down.
class Gateway final : public http::Service {
 public:
  // Says whether a value of the `authorization` header is good for an endpoint.
  using CheckToken = std::function<Status(std::string_view authorization, bool admin)>;

  Gateway(const std::shared_ptr<grpc::Channel>& channel, serving::MemoryBudget& budget,
          CheckToken check_token)
      : budget_(budget), check_token_(std::move(check_token)), caller_(channel, budget) {}

  // The call is made without the body where there is none, or its token is refused, which the call itself
  // then says, logs and counts.
  std::variant<http::Admission, http::Response> Admit(const http::Head& head) override;
  Result<std::shared_ptr<void>> ReserveBody(std::int64_t bytes) override;
  void Handle(const std::shared_ptr<http::Exchange>& exchange) override;
  http::Response Refusal(int http_status, const Status& status) override;
  // From now on nothing is admitted.
  void Close() { caller_.Close(); }
  // Waits for the calls under way, which the server behind the channel has to end.
  void WaitIdle() { caller_.WaitIdle(); }

 private:
  std::variant<http::Admission, http::Response> AdmitNamed(const http::Head& head,
                                                           const std::string& request_id);
  Status Dispatch(const std::shared_ptr<Exchange>& exchange);

  serving::MemoryBudget& budget_;
  const CheckToken check_token_;
  IdSource ids_;
  Caller caller_;
};

}  // namespace spikeserve::rest
