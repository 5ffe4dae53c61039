#include "server/rest/exchange.h"

namespace spikeserve::rest {

void PendingCall::Cancel() {
  const MutexLock lock(mu_);
  cancelled_ = true;
  if (context_) {
    context_->TryCancel();
  }
}

std::shared_ptr<grpc::ClientContext> PendingCall::Begin() {
  auto context = std::make_shared<grpc::ClientContext>();
  const MutexLock lock(mu_);
  context_ = context;
  if (cancelled_) {
    context->TryCancel();
  }
  return context;
}

}  // namespace spikeserve::rest
