#include "server/rest/model_calls.h"

#include <string>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "server/base/quote.h"
#include "server/rest/translate/encode_message.h"
#include "server/rest/translate/json_text.h"

namespace spikeserve::rest {
namespace {

http::Response Json(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

// Responds with the answer of `method` as it is.
template <typename Request, typename Response>
Status Show(Caller& caller, const std::shared_ptr<Exchange>& exchange, const char* method,
            Request request = {}) {
  caller.Call<Request, Response>(
      exchange, method, std::move(request),
      [](const Response& response) -> Result<http::Response> { return Json(EncodeMessage(response)); });
  return {};
}

template <typename Request>
Request OfModel(const Route& route) {
  Request request;
  request.set_name(route.model);
  request.set_version(route.version);
  return request;
}

// 200 where it is ready; 503 where it is not, for probes that look at the status alone.
http::Response Readiness(bool ready, const std::string& model) {
  http::Response response = ready ? Json("") : ErrorResponse(Unavailable("not ready"));
  std::string json = "{";
  if (!model.empty()) {
    AppendName(json, "name");
    AppendText(json, model);
  }
  AppendName(json, "ready");
  json += ready ? "true" : "false";
  if (!ready) {
    AppendName(json, "error");
    AppendText(json, model.empty() ? "the server is not ready" : "model " + Quote(model) + " is not ready");
  }
  response.body = json + "}";
  return response;
}

}  // namespace

Status AskServer(Caller& caller, const std::shared_ptr<Exchange>& exchange) {
  using namespace inference;
  switch (exchange->route.endpoint) {
    case Endpoint::kServerLive:
      return Show<ServerLiveRequest, ServerLiveResponse>(caller, exchange, "ServerLive");
    case Endpoint::kServerReady:
      caller.Call<ServerReadyRequest, ServerReadyResponse>(
          exchange, "ServerReady", {},
          [](const auto& response) -> Result<http::Response> { return Readiness(response.ready(), ""); });
      return {};
    case Endpoint::kSystemSharedMemory:
      return Show<SystemSharedMemoryStatusRequest, SystemSharedMemoryStatusResponse>(
          caller, exchange, "SystemSharedMemoryStatus");
    case Endpoint::kCudaSharedMemory:
      return Show<CudaSharedMemoryStatusRequest, CudaSharedMemoryStatusResponse>(caller, exchange,
                                                                                 "CudaSharedMemoryStatus");
    case Endpoint::kTraceSetting:
      return Show<TraceSettingRequest, TraceSettingResponse>(caller, exchange, "TraceSetting");
    case Endpoint::kLogSettings:
      return Show<LogSettingsRequest, LogSettingsResponse>(caller, exchange, "LogSettings");
    default: return Show<ServerMetadataRequest, ServerMetadataResponse>(caller, exchange, "ServerMetadata");
  }
}

Status AskModel(Caller& caller, const std::shared_ptr<Exchange>& exchange) {
  using namespace inference;
  const Route& route = exchange->route;
  switch (route.endpoint) {
    case Endpoint::kModelReady:
      caller.Call<ModelReadyRequest, ModelReadyResponse>(
          exchange, "ModelReady", OfModel<ModelReadyRequest>(route),
          [model = route.model](const auto& response) -> Result<http::Response> {
            return Readiness(response.ready(), model);
          });
      return {};
    case Endpoint::kModelConfig:
      caller.Call<ModelConfigRequest, ModelConfigResponse>(
          exchange, "ModelConfig", OfModel<ModelConfigRequest>(route),
          [](const auto& response) -> Result<http::Response> {
            return Json(EncodeMessage(response.config()));
          });
      return {};
    case Endpoint::kModelStatistics:
      return Show<ModelStatisticsRequest, ModelStatisticsResponse>(caller, exchange, "ModelStatistics",
                                                                   OfModel<ModelStatisticsRequest>(route));
    default:
      return Show<ModelMetadataRequest, ModelMetadataResponse>(caller, exchange, "ModelMetadata",
                                                               OfModel<ModelMetadataRequest>(route));
  }
}

}  // namespace spikeserve::rest
