#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "server/base/status.h"

namespace spikeserve::rpc {

// The status as the client gets it, with RequestInfo among the details of an error, so that whoever gets it
// can name the call. The id goes into the call's trailers too: once, for Finish.
grpc::Status ToGrpc(const Status& status, const std::string& request_id, grpc::ServerContextBase& call);

}  // namespace spikeserve::rpc
