#include "server/rest/gateway.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "server/base/quote.h"
#include "server/rest/inference_calls.h"
#include "server/rest/model_calls.h"
#include "server/rest/repository_calls.h"

namespace spikeserve::rest {
namespace {

// application/json; charset=utf-8 -> application/json
std::string MediaType(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') {
    type.pop_back();
  }
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type;
}

// A form is what browsers send to any server that a page names; and its author meant something else.
Status CheckContent(const http::Head& head) {
  const std::string type = MediaType(head.content_type);
  if (!type.empty() && type != "application/json" && type != "application/octet-stream") {
    return InvalidArgument("Content-Type is " + Quote(head.content_type) +
                           ", wanted application/json, or application/octet-stream where tensors follow "
                           "the JSON as bytes (curl: -H 'Content-Type: application/json')");
  }
  if (!head.content_encoding.empty() && head.content_encoding != "identity") {
    return InvalidArgument(
        "Content-Encoding is " + Quote(head.content_encoding) +
        ", wanted none: a compressed body is refused, as it may unpack to any size; send it as "
        "it is, large tensors as bytes behind the JSON (Inference-Header-Content-Length)");
  }
  return {};
}

}  // namespace

std::variant<http::Admission, http::Response> Gateway::Admit(const http::Head& head) {
  const std::string id = IsRequestId(head.request_id) ? head.request_id : ids_.NewId();
  auto admitted = AdmitNamed(head, id);
  if (auto* refusal = std::get_if<http::Response>(&admitted)) {
    AddRequestId(*refusal, id);
  }
  return admitted;
}

std::variant<http::Admission, http::Response> Gateway::AdmitNamed(const http::Head& head,
                                                                  const std::string& request_id) {
  if (caller_.closed()) {
    return ErrorResponse(Unavailable("the server is shutting down"));
  }
  auto route = FindRoute(head);
  if (auto* refusal = std::get_if<http::Response>(&route)) {
    return std::move(*refusal);
  }
  const auto exchange = std::make_shared<Exchange>();
  exchange->head = head;
  exchange->head.request_id = request_id;
  exchange->route = std::move(std::get<Route>(route));
  const Endpoint endpoint = exchange->route.endpoint;
  if (!HasBody(endpoint) || !check_token_(head.authorization, NeedsAdmin(endpoint)).ok()) {
    return http::Admission{exchange, false};
  }
  if (Status status = CheckContent(head); !status.ok()) {
    return ErrorResponse(415, status);
  }
  return http::Admission{exchange, true};
}

Result<std::shared_ptr<void>> Gateway::ReserveBody(std::int64_t bytes) {
  auto memory = budget_.Reserve(bytes, "the body");
  if (!memory.ok()) {
    return memory.status();
  }
  return std::shared_ptr<void>(
      std::make_shared<serving::MemoryBudget::Reservation>(std::move(memory).value()));
}

http::Response Gateway::Refusal(int http_status, const Status& status) {
  http::Response response = ErrorResponse(http_status, status);
  AddRequestId(response, ids_.NewId());
  return response;
}

void Gateway::Handle(const std::shared_ptr<http::Exchange>& of_http) {
  const auto exchange = std::static_pointer_cast<Exchange>(of_http);  // which Admit has made
  exchange->respond = [respond = std::move(exchange->respond),
                       id = exchange->head.request_id](http::Response response) {
    AddRequestId(response, id);
    respond(std::move(response));
  };
  const Status status = Guarded([&] { return Dispatch(exchange); }, "reading the request");
  if (!status.ok()) {
    exchange->respond(ErrorResponse(status));
  }
}

Status Gateway::Dispatch(const std::shared_ptr<Exchange>& exchange) {
  switch (exchange->route.endpoint) {
    case Endpoint::kInfer: return Infer(caller_, budget_, exchange);
    case Endpoint::kPredict: return Predict(caller_, budget_, exchange);
    case Endpoint::kRepositoryIndex: return ShowIndex(caller_, budget_, exchange);
    case Endpoint::kModelList: return ShowModelList(caller_, exchange);
    case Endpoint::kModelLoad: return LoadModel(caller_, budget_, exchange);
    case Endpoint::kModelUnload: return UnloadModel(caller_, budget_, exchange);
    case Endpoint::kServerMetadata:
    case Endpoint::kServerLive:
    case Endpoint::kServerReady:
    case Endpoint::kSystemSharedMemory:
    case Endpoint::kCudaSharedMemory:
    case Endpoint::kTraceSetting:
    case Endpoint::kLogSettings: return AskServer(caller_, exchange);
    case Endpoint::kModelMetadata:
    case Endpoint::kModelReady:
    case Endpoint::kModelConfig:
    case Endpoint::kModelStatistics: return AskModel(caller_, exchange);
  }
  return Internal("an endpoint without a call");
}

}  // namespace spikeserve::rest
