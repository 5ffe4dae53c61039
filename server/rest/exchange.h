#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>

#include "server/base/mutex.h"
#include "server/rest/http_message.h"
#include "server/rest/route.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// The call that a request waits for, so that a client who goes away ends it. Thread-safe.
class PendingCall {
 public:
  void Cancel();
  // A context for the next call, one after another.
  std::shared_ptr<grpc::ClientContext> Begin();

 private:
  Mutex mu_;
  bool cancelled_ SPIKESERVE_GUARDED_BY(mu_) = false;
  std::shared_ptr<grpc::ClientContext> context_ SPIKESERVE_GUARDED_BY(mu_);
};

// A request that was let in, with what answers it. `post` runs work on the threads of HTTP, one piece after
// another for one connection; `respond` is called once, from there.
struct Exchange {
  HttpHead head;
  Route route;
  std::string body;
  bool has_body = false;  // false: it was not read
  serving::MemoryBudget::Reservation body_memory;
  std::function<void(std::function<void()>)> post;
  std::function<void(HttpResponse)> respond;
  PendingCall pending;

  // Once the body was read, what it took is free for others.
  void DropBody() {
    std::string().swap(body);
    body_memory.ShrinkTo(0);
  }
};

}  // namespace spikeserve::rest
