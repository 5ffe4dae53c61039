#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "tests/rpc/server_test.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class RequestIdTest : public ServerTest {
 protected:
  // The id in the error of a call for a network that is not there, in details and trailers.
  std::string IdOfAnError(const std::vector<std::pair<std::string, std::string>>& metadata) {
    grpc::ClientContext context;
    for (const auto& [name, value] : metadata) {
      context.AddMetadata(name, value);
    }
    v1::SimulateResponse response;
    const grpc::Status status = simulations_->Simulate(&context, Request("missing", {0}), &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    google::rpc::Status details;
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), static_cast<int>(grpc::StatusCode::NOT_FOUND));
    EXPECT_EQ(details.message(), status.error_message());
    google::rpc::RequestInfo info;
    EXPECT_EQ(details.details_size(), 1);
    EXPECT_TRUE(details.details_size() == 1 && details.details(0).UnpackTo(&info));
    const auto trailer = context.GetServerTrailingMetadata().find("x-request-id");
    EXPECT_NE(trailer, context.GetServerTrailingMetadata().end());
    if (trailer != context.GetServerTrailingMetadata().end()) {
      EXPECT_EQ(std::string(trailer->second.data(), trailer->second.size()), info.request_id());
    }
    return info.request_id();
  }
};

TEST_F(RequestIdTest, AClientsIdIsInErrorTrailerAndLog) {
  Start();
  EXPECT_EQ(IdOfAnError({{"x-request-id", "order-7"}}), "order-7");
  Stop();
  EXPECT_THAT(Log(), HasSubstr("\"request_id\":\"order-7\""));
}

TEST_F(RequestIdTest, IsTheTraceWhereThereIsOne) {
  Start();
  EXPECT_EQ(IdOfAnError({{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}),
            "0af7651916cd43dd8448eb211c80319c");
}

TEST_F(RequestIdTest, IsMadeWhereNoneIsGivenOrItIsNoId) {
  Start();
  const std::string made = IdOfAnError({});
  EXPECT_THAT(made, MatchesRegex("[0-9a-f]{32}"));
  const std::string other = IdOfAnError({{"x-request-id", "not an id"}});
  EXPECT_THAT(other, MatchesRegex("[0-9a-f]{32}"));
  EXPECT_NE(made, other);
}

TEST_F(RequestIdTest, IsInTheTrailersOfAnAnswer) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "order-8");
  v1::SimulateResponse response;
  ASSERT_TRUE(simulations_->Simulate(&context, Request("net", {0}), &response).ok());
  EXPECT_EQ(context.GetServerTrailingMetadata().count("x-request-id"), 1U);
}

}  // namespace
}  // namespace spikeserve::testing
