#pragma once

#include <grpcpp/support/status.h>

#include "server/base/status.h"

namespace spikeserve::rpc {

// The same code and message, cut where it would not fit the trailers of a response, with RetryInfo where the
// status says when to try again.
grpc::Status ToGrpc(const Status& status);

}  // namespace spikeserve::rpc
