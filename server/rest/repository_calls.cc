#include "server/rest/repository_calls.h"

#include <set>
#include <string>
#include <utility>
#include <variant>

#include "inference/grpc_service.pb.h"
#include "server/base/quote.h"
#include "server/rest/translate/base64.h"
#include "server/rest/translate/decode_infer.h"
#include "server/rest/translate/encode_message.h"
#include "server/rest/translate/json_document.h"
#include "server/rest/translate/json_text.h"

namespace spikeserve::rest {
namespace {

using inference::ModelRepositoryParameter;
using inference::RepositoryIndexRequest;
using inference::RepositoryIndexResponse;
using serving::MemoryBudget;

http::Response Json(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

// The parsed body, with what it takes; an empty body is an empty object.
struct Body {
  MemoryBudget::Reservation memory;
  JsonDocument document;
};

Result<Body> ParseBody(MemoryBudget& budget, const Exchange& exchange) {
  Body body;
  if (exchange.body.empty()) {
    body.document.root.value = JsonObject();
    return body;
  }
  auto memory =
      budget.Reserve(JsonBytes(exchange.body) + static_cast<std::int64_t>(exchange.body.size()), "the body");
  if (!memory.ok()) {
    return memory.status();
  }
  auto document = ParseJson(exchange.body);
  if (!document.ok()) {
    return document.status();
  }
  body.memory = std::move(memory).value();
  body.document = std::move(document).value();
  return body;
}

Status SetParameter(const JsonMember& member, ModelRepositoryParameter& parameter) {
  const std::string where = "the body: parameters." + member.name.substr(0, kMaxQuotedBytes);
  if (const auto* flag = std::get_if<bool>(&member.value.value)) {
    parameter.set_bool_param(*flag);
    return {};
  }
  if (const auto* number = std::get_if<std::int64_t>(&member.value.value)) {
    parameter.set_int64_param(*number);
    return {};
  }
  const auto* text = std::get_if<std::string>(&member.value.value);
  if (text == nullptr) {
    return InvalidArgument(where + ": wanted a string, a whole number or a boolean, got " +
                           std::string(KindOf(member.value)));
  }
  if (member.name.rfind("file:", 0) != 0) {
    parameter.set_string_param(*text);
    return {};
  }
  auto bytes = DecodeBase64(*text);
  if (!bytes) {
    return InvalidArgument(where + ": is no base64");
  }
  parameter.set_bytes_param(*std::move(bytes));
  return {};
}

// Fills `request` from a body of parameters; what it takes is returned.
template <typename Request>
Result<MemoryBudget::Reservation> DecodeRepositoryRequest(MemoryBudget& budget, const Exchange& exchange,
                                                          Request& request) {
  request.set_model_name(exchange.route.model);
  auto body = ParseBody(budget, exchange);
  if (!body.ok()) {
    return body.status();
  }
  const auto root = BodyObject(body.value().document.root, {"parameters"});
  if (!root.ok()) {
    return root.status();
  }
  const JsonValue* parameters = FindMember(*root.value(), "parameters");
  const auto* object = parameters == nullptr ? nullptr : std::get_if<JsonObject>(&parameters->value);
  if (parameters != nullptr && object == nullptr) {
    return InvalidArgument("the body: parameters: wanted an object, got " + std::string(KindOf(*parameters)));
  }
  for (std::size_t i = 0; object != nullptr && i < object->size(); ++i) {
    const JsonMember& member = (*object)[i];
    if (Status status = SetParameter(member, (*request.mutable_parameters())[member.name]); !status.ok()) {
      return status;
    }
  }
  return std::move(body.value().memory);
}

// Calls with what DecodeRepositoryRequest makes of the body, and responds with the answer.
template <typename Request, typename Response>
Status Change(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange,
              const char* method) {
  Request request;
  auto reserved = DecodeRepositoryRequest(budget, *exchange, request);
  if (!reserved.ok()) {
    return reserved.status();
  }
  exchange->DropBody();
  reserved.value().ShrinkTo(static_cast<std::int64_t>(request.ByteSizeLong()));
  const auto memory = std::make_shared<MemoryBudget::Reservation>(std::move(reserved).value());
  caller.Call<Request, Response>(
      exchange, method, std::move(request),
      [memory](const Response& response) -> Result<http::Response> { return Json(EncodeMessage(response)); });
  return {};
}

http::Response IndexResponse(const RepositoryIndexResponse& response) {
  std::string json = "[";
  for (const auto& model : response.models()) {
    AppendComma(json);
    json += EncodeMessage(model);
  }
  return Json(json + "]");
}

http::Response ModelListResponse(const RepositoryIndexResponse& response) {
  std::set<std::string> names;
  for (const auto& model : response.models()) {
    names.insert(model.name());
  }
  std::string json = "{\"models\":[";
  for (const std::string& name : names) {
    AppendComma(json);
    AppendText(json, name);
  }
  return Json(json + "]}");
}

}  // namespace

Status ShowIndex(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange) {
  const auto body = ParseBody(budget, *exchange);
  if (!body.ok()) {
    return body.status();
  }
  const auto root = BodyObject(body.value().document.root, {"ready"});
  if (!root.ok()) {
    return root.status();
  }
  RepositoryIndexRequest request;
  if (const JsonValue* ready = FindMember(*root.value(), "ready")) {
    const bool* flag = std::get_if<bool>(&ready->value);
    if (flag == nullptr) {
      return InvalidArgument("the body: ready: wanted true or false, got " + std::string(KindOf(*ready)));
    }
    request.set_ready(*flag);
  }
  caller.Call<RepositoryIndexRequest, RepositoryIndexResponse>(
      exchange, "RepositoryIndex", std::move(request),
      [](const auto& response) -> Result<http::Response> { return IndexResponse(response); });
  return {};
}

Status ShowModelList(Caller& caller, const std::shared_ptr<Exchange>& exchange) {
  RepositoryIndexRequest request;
  request.set_ready(true);
  caller.Call<RepositoryIndexRequest, RepositoryIndexResponse>(
      exchange, "RepositoryIndex", std::move(request),
      [](const auto& response) -> Result<http::Response> { return ModelListResponse(response); });
  return {};
}

Status LoadModel(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange) {
  return Change<inference::RepositoryModelLoadRequest, inference::RepositoryModelLoadResponse>(
      caller, budget, exchange, "RepositoryModelLoad");
}

Status UnloadModel(Caller& caller, MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange) {
  return Change<inference::RepositoryModelUnloadRequest, inference::RepositoryModelUnloadResponse>(
      caller, budget, exchange, "RepositoryModelUnload");
}

}  // namespace spikeserve::rest
