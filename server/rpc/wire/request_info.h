#pragma once

#include <grpcpp/support/status.h>

#include <string>

namespace spikeserve::rpc {

// The same error with RequestInfo among its details, so that whoever gets it can name the call. OK stays OK.
grpc::Status WithRequestId(const grpc::Status& status, const std::string& request_id);

}  // namespace spikeserve::rpc
