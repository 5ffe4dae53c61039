#pragma once

#include <string>
#include <variant>

#include "server/http/message.h"

namespace spikeserve::rest {

// What a path is for.
enum class Endpoint {
  kServerMetadata,
  kServerLive,
  kServerReady,
  kModelList,
  kModelMetadata,
  kModelReady,
  kModelConfig,
  kModelStatistics,
  kInfer,
  kPredict,
  kRepositoryIndex,
  kModelLoad,
  kModelUnload,
  // What follows is answered UNIMPLEMENTED, whatever the method.
  kSystemSharedMemory,
  kCudaSharedMemory,
  kTraceSetting,
  kLogSettings,
};

struct Route {
  Endpoint endpoint = Endpoint::kServerMetadata;
  std::string model;    // empty: of no one model
  std::string version;  // empty: the default
};

// Where a request goes, or its refusal: 404 for a path that is not there, 405 with `Allow` for another
// method. HEAD is as good as GET.
std::variant<Route, http::Response> FindRoute(const http::Head& head);

// Whether a request is a POST with a body.
bool HasBody(Endpoint endpoint);
// Whether it needs an admin token where there are any.
bool NeedsAdmin(Endpoint endpoint);

}  // namespace spikeserve::rest
