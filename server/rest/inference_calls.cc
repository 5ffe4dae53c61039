#include "server/rest/inference_calls.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "server/base/quote.h"
#include "server/rest/translate/decode_infer.h"
#include "server/rest/translate/encode_infer.h"
#include "server/rest/translate/predict.h"

namespace spikeserve::rest {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using inference::ModelMetadataRequest;
using inference::ModelMetadataResponse;
using serving::MemoryBudget;
using Memory = std::shared_ptr<MemoryBudget::Reservation>;

constexpr const char* kJsonBytesHeader = "Inference-Header-Content-Length";

Result<Memory> Reserve(MemoryBudget& budget, std::int64_t bytes, std::string_view what) {
  auto reservation = budget.Reserve(bytes, what);
  if (!reservation.ok()) {
    return reservation.status();
  }
  return std::make_shared<MemoryBudget::Reservation>(std::move(reservation).value());
}

Result<std::optional<std::size_t>> JsonBytesOf(const http::Head& head) {
  if (head.json_bytes.empty()) {
    return std::optional<std::size_t>();
  }
  std::size_t bytes = 0;
  const char* end = head.json_bytes.data() + head.json_bytes.size();
  const auto [stop, error] = std::from_chars(head.json_bytes.data(), end, bytes);
  if (error != std::errc() || stop != end) {
    return InvalidArgument(std::string(kJsonBytesHeader) + ": got " + Quote(head.json_bytes) +
                           ", wanted the number of bytes of the JSON");
  }
  return std::optional(bytes);
}

void SendInfer(Caller& caller, const std::shared_ptr<Exchange>& exchange, ModelInferRequest request,
               Memory memory, std::function<Result<http::Response>(const ModelInferResponse&)> show) {
  memory->ShrinkTo(static_cast<std::int64_t>(request.ByteSizeLong()));
  caller.Call<ModelInferRequest, ModelInferResponse>(
      exchange, "ModelInfer", std::move(request),
      [memory = std::move(memory), show = std::move(show)](const ModelInferResponse& response) {
        return show(response);
      });
}

Result<http::Response> ShowInfer(MemoryBudget& budget, const OutputForm& form,
                                 const ModelInferResponse& response) {
  auto memory =
      Reserve(budget, EncodeInferBytes(response, form), "the answer as JSON (binary_data_output takes less)");
  if (!memory.ok()) {
    return memory.status();
  }
  auto answer = EncodeInfer(response, form);
  if (!answer.ok()) {
    return answer.status();
  }
  http::Response http;
  http.body = std::move(answer.value().body);
  http.memory = std::move(memory).value();
  if (answer.value().header_bytes) {
    http.content_type = "application/octet-stream";
    http.headers.emplace_back(kJsonBytesHeader, std::to_string(*answer.value().header_bytes));
  }
  return http;
}

Result<http::Response> ShowPredict(MemoryBudget& budget, const ModelInferResponse& response) {
  auto memory = Reserve(budget, EncodePredictBytes(response), "the answer as JSON");
  if (!memory.ok()) {
    return memory.status();
  }
  auto json = EncodePredict(response);
  if (!json.ok()) {
    return json.status();
  }
  http::Response http;
  http.body = std::move(json).value();
  http.memory = std::move(memory).value();
  return http;
}

Status PredictWith(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange,
                   const ModelMetadataResponse& metadata) {
  auto memory = Reserve(budget, DecodePredictBytes(exchange->body), "the body");
  if (!memory.ok()) {
    return memory.status();
  }
  auto request = DecodePredict(exchange->body, metadata);
  exchange->DropBody();
  if (!request.ok()) {
    return request.status();
  }
  request.value().set_model_name(exchange->route.model);
  SendInfer(caller, exchange, std::move(request).value(), std::move(memory).value(),
            [&budget](const ModelInferResponse& response) { return ShowPredict(budget, response); });
  return {};
}

}  // namespace

Status Infer(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange) {
  InferBody decoded;
  Memory memory = std::make_shared<MemoryBudget::Reservation>();
  if (exchange->has_body) {
    const auto json_bytes = JsonBytesOf(exchange->head);
    if (!json_bytes.ok()) {
      return json_bytes.status();
    }
    auto reserved = Reserve(budget, DecodeInferBytes(exchange->body, json_bytes.value()), "the body");
    if (!reserved.ok()) {
      return reserved.status();
    }
    memory = std::move(reserved).value();
    auto body = DecodeInfer(exchange->body, json_bytes.value());
    if (!body.ok()) {
      return body.status();
    }
    decoded = std::move(body).value();
    exchange->DropBody();
  }
  decoded.request.set_model_name(exchange->route.model);
  decoded.request.set_model_version(exchange->route.version);
  SendInfer(caller, exchange, std::move(decoded.request), std::move(memory),
            [&budget, form = std::move(decoded.form)](const ModelInferResponse& response) {
              return ShowInfer(budget, form, response);
            });
  return {};
}

Status Predict(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange) {
  ModelMetadataRequest request;
  request.set_name(exchange->route.model);
  caller.Then<ModelMetadataRequest, ModelMetadataResponse>(
      exchange, "ModelMetadata", std::move(request),
      [&caller, &budget, exchange](const ModelMetadataResponse& metadata) {
        return PredictWith(caller, budget, exchange, metadata);
      });
  return {};
}

}  // namespace spikeserve::rest
