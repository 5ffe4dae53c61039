#include "server/rest/route.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "server/base/quote.h"
#include "server/rest/http_error.h"

namespace spikeserve::rest {
namespace {

using Segments = std::vector<std::string_view>;

// The longest path has seven; more are of none.
constexpr std::size_t kMaxSegments = 8;

// The parts of a path between its slashes, without the query and a slash at the end.
Segments Split(std::string_view target) {
  std::string_view path = target.substr(0, target.find('?'));
  Segments segments;
  while (!path.empty() && segments.size() < kMaxSegments) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0 || end < path.size()) {
      segments.push_back(path.substr(0, end));
    }
    path.remove_prefix(end);
  }
  return segments;
}

// Paths without a variable part.
struct FixedPath {
  std::string_view path;
  Endpoint endpoint;
};
constexpr std::array<FixedPath, 7> kFixedPaths = {{{"v2", Endpoint::kServerMetadata},
                                                   {"v2/health/live", Endpoint::kServerLive},
                                                   {"v2/health/ready", Endpoint::kServerReady},
                                                   {"v2/models", Endpoint::kModelList},
                                                   {"v1/models", Endpoint::kModelList},
                                                   {"v2/models/stats", Endpoint::kModelStatistics},
                                                   {"v2/repository/index", Endpoint::kRepositoryIndex}}};
// What Triton has and this server has not: all below these is refused by the call of that name.
constexpr std::array<FixedPath, 4> kRefused = {{{"systemsharedmemory", Endpoint::kSystemSharedMemory},
                                                {"cudasharedmemory", Endpoint::kCudaSharedMemory},
                                                {"trace", Endpoint::kTraceSetting},
                                                {"logging", Endpoint::kLogSettings}}};

std::optional<Route> FindFixed(const Segments& segments) {
  std::string path;
  for (const std::string_view segment : segments) {
    path += (path.empty() ? "" : "/") + std::string(segment);
  }
  for (const FixedPath& fixed : kFixedPaths) {
    if (fixed.path == path) {
      return Route{fixed.endpoint, {}, {}};
    }
  }
  return std::nullopt;
}

std::optional<Route> FindRefused(const Segments& segments) {
  for (const FixedPath& refused : kRefused) {
    if (segments.size() >= 2 && segments[0] == "v2" && segments[1] == refused.path) {
      return Route{refused.endpoint, {}, {}};
    }
  }
  return std::nullopt;
}

// models/NAME[/versions/VERSION][/VERB], from the second segment of /v2 on.
std::optional<Route> FindModel(const Segments& path) {
  if (path.size() < 3 || path[0] != "v2" || path[1] != "models") {
    return std::nullopt;
  }
  Route route{Endpoint::kModelMetadata, std::string(path[2]), {}};
  Segments segments(path.begin() + 3, path.end());
  if (segments.size() >= 2 && segments[0] == "versions") {
    route.version = segments[1];
    segments.erase(segments.begin(), segments.begin() + 2);
  }
  if (segments.empty()) {
    return route;
  }
  static constexpr std::array<std::pair<std::string_view, Endpoint>, 4> kVerbs = {
      {{"ready", Endpoint::kModelReady},
       {"config", Endpoint::kModelConfig},
       {"stats", Endpoint::kModelStatistics},
       {"infer", Endpoint::kInfer}}};
  for (const auto& [verb, endpoint] : kVerbs) {
    if (segments.size() == 1 && segments[0] == verb) {
      route.endpoint = endpoint;
      return route;
    }
  }
  return std::nullopt;
}

std::optional<Route> FindRepository(const Segments& segments) {
  if (segments.size() != 5 || segments[0] != "v2" || segments[1] != "repository" || segments[2] != "models") {
    return std::nullopt;
  }
  if (segments[4] == "load") {
    return Route{Endpoint::kModelLoad, std::string(segments[3]), {}};
  }
  if (segments[4] == "unload") {
    return Route{Endpoint::kModelUnload, std::string(segments[3]), {}};
  }
  return std::nullopt;
}

// KServe's first protocol: /v1/models/NAME and /v1/models/NAME:predict.
std::optional<Route> FindVersionOne(const Segments& segments) {
  if (segments.size() != 3 || segments[0] != "v1" || segments[1] != "models") {
    return std::nullopt;
  }
  const std::string_view name = segments[2].substr(0, segments[2].find(':'));
  const std::string_view verb = segments[2].substr(name.size());
  if (verb.empty()) {
    return Route{Endpoint::kModelReady, std::string(name), {}};
  }
  if (verb == ":predict") {
    return Route{Endpoint::kPredict, std::string(name), {}};
  }
  return std::nullopt;
}

std::optional<int> HexDigit(char c) {
  const std::size_t at =
      std::string_view("0123456789abcdef").find(static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c));
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<int>(at));
}

// Some clients encode more of a name than they would have to. What is no encoding stays as it is, and is
// refused as part of a name later.
std::string Decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool encoded = text[i] == '%' && i + 2 < text.size();
    const std::optional<int> high = encoded ? HexDigit(text[i + 1]) : std::nullopt;
    const std::optional<int> low = encoded ? HexDigit(text[i + 2]) : std::nullopt;
    if (high && low) {
      decoded += static_cast<char>(*high * 16 + *low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

bool AnyMethod(Endpoint endpoint) { return endpoint >= Endpoint::kSystemSharedMemory; }

}  // namespace

std::variant<Route, http::Response> FindRoute(const http::Head& head) {
  const Segments segments = Split(head.target);
  std::optional<Route> route;
  for (const auto find : {FindFixed, FindModel, FindVersionOne, FindRepository, FindRefused}) {
    if (!route) {
      route = find(segments);
    }
  }
  if (!route) {
    return ErrorResponse(
        NotFound("there is no path " + Quote(head.target) +
                 ": wanted /v2/..., as the Open Inference Protocol has it, or /v1/models/..."));
  }
  route->model = Decoded(route->model);
  route->version = Decoded(route->version);
  const bool post = HasBody(route->endpoint);
  const bool get = head.method == "GET" || head.method == "HEAD";
  if (AnyMethod(route->endpoint) || (post ? head.method == "POST" : get)) {
    return *route;
  }
  http::Response refusal = ErrorResponse(
      405, {StatusCode::kUnimplemented, "method " + Quote(head.method) + " of " + Quote(head.target) +
                                            ", wanted " + (post ? "POST" : "GET")});
  refusal.headers.emplace_back("Allow", post ? "POST" : "GET, HEAD");
  return refusal;
}

bool HasBody(Endpoint endpoint) {
  return endpoint == Endpoint::kInfer || endpoint == Endpoint::kPredict ||
         endpoint == Endpoint::kRepositoryIndex || NeedsAdmin(endpoint);
}

bool NeedsAdmin(Endpoint endpoint) {
  return endpoint == Endpoint::kModelLoad || endpoint == Endpoint::kModelUnload;
}

}  // namespace spikeserve::rest
