#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "server/rpc/calls/lookup_call.h"

namespace spikeserve::rpc {

// The methods of the Open Inference Protocol that are answered from what there is.
Status AnswerServerLive(LookupCall& lookup, const inference::ServerLiveRequest& message);
Status AnswerServerReady(LookupCall& lookup, const inference::ServerReadyRequest& message);
Status AnswerModelReady(LookupCall& lookup, const inference::ModelReadyRequest& message);
Status AnswerServerMetadata(LookupCall& lookup, const inference::ServerMetadataRequest& message);
Status AnswerModelMetadata(LookupCall& lookup, const inference::ModelMetadataRequest& message);
Status AnswerModelConfig(LookupCall& lookup, const inference::ModelConfigRequest& message);
Status AnswerModelStatistics(LookupCall& lookup, const inference::ModelStatisticsRequest& message);
Status AnswerRepositoryIndex(LookupCall& lookup, const inference::RepositoryIndexRequest& message);

// UNIMPLEMENTED, with the reason.
Status RefuseSharedMemory(LookupCall& lookup, const grpc::ByteBuffer& request);
Status RefuseSettings(LookupCall& lookup, const grpc::ByteBuffer& request);

}  // namespace spikeserve::rpc
