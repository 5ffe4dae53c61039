#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"

namespace spikeserve::rpc {

// A message of ModelStreamInfer; `final`: the last one that answers its request.
Result<grpc::ByteBuffer> SerializeAnswer(inference::ModelInferResponse response, bool final);

// The last one, with an error. The protocol has no code beside the message, so the message begins with it.
Result<grpc::ByteBuffer> SerializeError(inference::ModelInferResponse response, const Status& status);

}  // namespace spikeserve::rpc
