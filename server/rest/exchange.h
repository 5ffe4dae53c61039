#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "server/base/mutex.h"
#include "server/http/service.h"
#include "server/rest/route.h"

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

// A request that becomes a call.
class Exchange final : public http::Exchange {
 public:
  void Cancel() override { pending.Cancel(); }
  // Once the body was read, what it took is free for others.
  void DropBody() {
    std::string().swap(body);
    body_memory.reset();
  }

  Route route;
  PendingCall pending;
};

}  // namespace spikeserve::rest
