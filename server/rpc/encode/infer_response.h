#pragma once

#include "inference/grpc_service.pb.h"
#include "server/rpc/decode/checked_request.h"
#include "server/rpc/decode/infer_request.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// The final answer to a request of the Open Inference Protocol.
inference::ModelInferResponse EncodeInferResponse(const AnswerSpec& spec, const InferAnswer& answer,
                                                  const serving::RunOutcome& outcome);

// The answer so far.
inference::ModelInferResponse EncodeInferProgress(const AnswerSpec& spec, const InferAnswer& answer,
                                                  const engine::Reading& reading);

// Datatype of the protocol for a type of a response: FP32 or FP64.
const char* InferDatatype(v1::DataType type);

}  // namespace spikeserve::rpc
