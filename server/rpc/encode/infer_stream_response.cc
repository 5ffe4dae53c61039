#include "server/rpc/encode/infer_stream_response.h"

#include <string>
#include <utility>

#include "server/rpc/wire/wire.h"
#include "server/serving/metrics/metrics.h"

namespace spikeserve::rpc {
namespace {

constexpr const char* kFinalResponse = "triton_final_response";

}  // namespace

Result<grpc::ByteBuffer> SerializeAnswer(inference::ModelInferResponse response, bool final) {
  (*response.mutable_parameters())[kFinalResponse].set_bool_param(final);
  inference::ModelStreamInferResponse message;
  *message.mutable_infer_response() = std::move(response);
  return Serialize(message);
}

Result<grpc::ByteBuffer> SerializeError(inference::ModelInferResponse response, const Status& status) {
  (*response.mutable_parameters())[kFinalResponse].set_bool_param(true);
  inference::ModelStreamInferResponse message;
  message.set_error_message(std::string(serving::CodeName(status.code())) + ": " + status.message());
  *message.mutable_infer_response() = std::move(response);
  return Serialize(message);
}

}  // namespace spikeserve::rpc
