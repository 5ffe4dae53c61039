#include "server/rest/route.h"

#include <gmock/gmock.h>

#include <string>

namespace spikeserve::rest {
namespace {

using ::testing::HasSubstr;

http::Head Head(const std::string& method, const std::string& target) {
  http::Head head;
  head.method = method;
  head.target = target;
  return head;
}

Route Found(const std::string& method, const std::string& target) {
  auto route = FindRoute(Head(method, target));
  EXPECT_TRUE(std::holds_alternative<Route>(route)) << target;
  return std::get<Route>(route);
}

http::Response Refused(const std::string& method, const std::string& target) {
  auto route = FindRoute(Head(method, target));
  EXPECT_TRUE(std::holds_alternative<http::Response>(route)) << target;
  return std::get<http::Response>(route);
}

TEST(Route, DecodesWhatAClientEncoded) {
  const Route route = Found("GET", "/v2/models/a%2Db%20%2fc%zz%4/versions/%31");
  EXPECT_EQ(route.model, "a-b /c%zz%4");
  EXPECT_EQ(route.version, "1");
}

TEST(Route, FindsPathsOfTheProtocol) {
  EXPECT_EQ(Found("GET", "/v2").endpoint, Endpoint::kServerMetadata);
  EXPECT_EQ(Found("HEAD", "/v2/").endpoint, Endpoint::kServerMetadata);
  EXPECT_EQ(Found("GET", "/v2/health/ready?x=1").endpoint, Endpoint::kServerReady);
  EXPECT_EQ(Found("GET", "/v2/models/stats").endpoint, Endpoint::kModelStatistics);
  EXPECT_EQ(Found("GET", "/v2/models/m/stats").model, "m");
  EXPECT_EQ(Found("GET", "/v1/models/m").endpoint, Endpoint::kModelReady);
  EXPECT_EQ(Found("POST", "/v1/models/m:predict").endpoint, Endpoint::kPredict);
  EXPECT_EQ(Found("POST", "/v1/models/m:predict").model, "m");
  EXPECT_EQ(Found("POST", "/v2/repository/models/m/unload").endpoint, Endpoint::kModelUnload);
  EXPECT_EQ(Found("POST", "/v2/systemsharedmemory/region/a/register").endpoint,
            Endpoint::kSystemSharedMemory);
  const Route infer = Found("POST", "/v2/models/m/versions/12/infer");
  EXPECT_EQ(infer.endpoint, Endpoint::kInfer);
  EXPECT_EQ(infer.model, "m");
  EXPECT_EQ(infer.version, "12");
}

TEST(Route, RefusesOtherPathsAndMethods) {
  for (const char* target :
       {"/", "", "/v3", "/v2/models/m/what", "/v2/models/m/versions", "/v2//models/m", "/v1/models/m:explain",
        "/v2/models/m/infer/more", "/v2/repository/models/m", "/v2/models/m/versions/1/infer/x/y/z/a/b/c"}) {
    const http::Response refusal = Refused("GET", target);
    EXPECT_EQ(refusal.status, 404) << target;
    EXPECT_THAT(refusal.body, HasSubstr("there is no path"));
  }
  const http::Response post = Refused("DELETE", "/v2/models/m/infer");
  EXPECT_EQ(post.status, 405);
  EXPECT_THAT(post.body, HasSubstr("wanted POST"));
  EXPECT_EQ(post.headers.front(), (std::pair<std::string, std::string>("Allow", "POST")));
  EXPECT_EQ(Refused("POST", "/v2").headers.front().second, "GET, HEAD");
}

}  // namespace
}  // namespace spikeserve::rest
