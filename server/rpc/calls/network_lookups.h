#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "server/base/status.h"
#include "server/rpc/calls/lookup_call.h"

namespace spikeserve::rpc {

// GetNetwork and ListNetworks.
Status AnswerGetNetwork(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerListNetworks(LookupCall& lookup, const grpc::ByteBuffer& request);

}  // namespace spikeserve::rpc
