#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "server/base/status.h"
#include "server/rpc/calls/lookup_call.h"

namespace spikeserve::rpc {

// The methods of the Open Inference Protocol that are answered from what there is.
Status AnswerServerLive(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerServerReady(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerModelReady(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerServerMetadata(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerModelMetadata(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerModelConfig(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerModelStatistics(LookupCall& lookup, const grpc::ByteBuffer& request);
Status AnswerRepositoryIndex(LookupCall& lookup, const grpc::ByteBuffer& request);

// UNIMPLEMENTED, with the reason.
Status RefuseSharedMemory(LookupCall& lookup, const grpc::ByteBuffer& request);
Status RefuseSettings(LookupCall& lookup, const grpc::ByteBuffer& request);

}  // namespace spikeserve::rpc
