// Tokens: who may call what.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/context/authorizer.h"
#include "tests/rpc/raw_call.h"
#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using rpc::Authorizer;
using rpc::Scope;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Authorizer, AsksForNothingWithoutTokens) {
  const Authorizer authorizer({});
  EXPECT_TRUE(authorizer.Check("", Scope::kUse).ok());
  EXPECT_TRUE(authorizer.Check("", Scope::kAdmin).ok());
}

TEST(Authorizer, TellsUseFromAdmin) {
  const Authorizer authorizer({{"user", "user2"}, {"admin"}});
  EXPECT_TRUE(authorizer.Check("Bearer user2", Scope::kUse).ok());
  EXPECT_TRUE(authorizer.Check("Bearer admin", Scope::kUse).ok());
  EXPECT_TRUE(authorizer.Check("Bearer admin", Scope::kAdmin).ok());
  EXPECT_EQ(authorizer.Check("Bearer user", Scope::kAdmin).code(), StatusCode::kPermissionDenied);
}

TEST(Authorizer, RefusesWhatIsNoKnownToken) {
  const Authorizer authorizer({{"user"}, {"admin"}});
  for (const char* header :
       {"", "user", "bearer user", "Basic user", "Bearer ", "Bearer usr", "Bearer user ", "Bearer userx"}) {
    EXPECT_EQ(authorizer.Check(header, Scope::kUse).code(), StatusCode::kUnauthenticated) << header;
    EXPECT_EQ(authorizer.Check(header, Scope::kAdmin).code(), StatusCode::kUnauthenticated) << header;
  }
}

TEST(Authorizer, OneListIsEnough) {
  const Authorizer only_use({{"user"}, {}});
  EXPECT_TRUE(only_use.Check("Bearer user", Scope::kAdmin).ok());
  EXPECT_FALSE(only_use.Check("", Scope::kAdmin).ok());
  const Authorizer only_admin({{}, {"admin"}});
  EXPECT_TRUE(only_admin.Check("", Scope::kUse).ok());
  EXPECT_FALSE(only_admin.Check("", Scope::kAdmin).ok());
}

TEST(Authorizer, ReadsOneTokenALine) {
  EXPECT_THAT(rpc::ParseTokens("# mine\n\n a \r\nb").value(), ElementsAre("a", "b"));
  EXPECT_FALSE(rpc::ParseTokens("").ok());
  EXPECT_FALSE(rpc::ParseTokens("# none\n").ok());
  EXPECT_FALSE(rpc::ParseTokens("two words").ok());
}

class AuthTest : public ServerTest {
 protected:
  AuthTest() {
    WriteFile(folder_.path() / "use", "user-secret\n");
    WriteFile(folder_.path() / "admin", "admin-secret\n");
    config_.auth_token_file = folder_.path() / "use";
    config_.admin_token_file = folder_.path() / "admin";
  }
  static void SetToken(grpc::ClientContext& call, const std::string& token) {
    if (!token.empty()) {
      call.AddMetadata("authorization", "Bearer " + token);
    }
  }
  grpc::StatusCode ListAs(const std::string& token) {
    grpc::ClientContext call;
    SetToken(call, token);
    v1::ListNetworksResponse response;
    return networks_->ListNetworks(&call, {}, &response).error_code();
  }
  grpc::StatusCode UnloadAs(const std::string& token) {
    grpc::ClientContext call;
    SetToken(call, token);
    v1::UnloadNetworkRequest request;
    request.set_name("net");
    v1::UnloadNetworkResponse response;
    return networks_->UnloadNetwork(&call, request, &response).error_code();
  }
  grpc::StatusCode SimulateAs(const std::string& token) {
    grpc::ClientContext call;
    SetToken(call, token);
    v1::SimulateResponse response;
    return simulations_->Simulate(&call, Request("net", {1}), &response).error_code();
  }
};

TEST_F(AuthTest, EveryMethodAsksForItsToken) {
  Start();
  for (const char* token : {"", "wrong"}) {
    EXPECT_EQ(ListAs(token), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(UnloadAs(token), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(SimulateAs(token), grpc::StatusCode::UNAUTHENTICATED);
  }
  EXPECT_EQ(Load("net").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, {});
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ListAs("user-secret"), grpc::StatusCode::OK);
  EXPECT_EQ(ListAs("admin-secret"), grpc::StatusCode::OK);
  EXPECT_EQ(SimulateAs("user-secret"), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(UnloadAs("user-secret"), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(UnloadAs("admin-secret"), grpc::StatusCode::NOT_FOUND);
}

TEST_F(AuthTest, TheTokenIsCheckedBeforeTheMessageIsRead) {
  Start();
  for (const char* method : {"NetworkService/GetNetwork", "NetworkService/ListNetworks",
                             "NetworkService/UnloadNetwork", "SimulationService/Simulate"}) {
    EXPECT_THAT(RawCall(channel_, std::string("/spikeserve.v1.") + method, "\xff"), HasSubstr("error 16: "))
        << method;
  }
  EXPECT_THAT(RawStream(channel_, "/spikeserve.v1.NetworkService/LoadNetwork", "\xff"),
              HasSubstr("error 16: "));
  for (const char* method : {"ModelInfer", "ModelMetadata", "RepositoryIndex", "RepositoryModelLoad"}) {
    EXPECT_THAT(RawCall(channel_, std::string("/inference.GRPCInferenceService/") + method, "\xff"),
                HasSubstr("error 16: "))
        << method;
  }
  EXPECT_THAT(RawStream(channel_, "/inference.GRPCInferenceService/ModelStreamInfer", "\xff"),
              HasSubstr("error 16: "));
  EXPECT_TRUE(Eventually([this] {
    return Log().find(R"("method":"ModelStreamInfer","code":"UNAUTHENTICATED")") != std::string::npos;
  }));
}

TEST_F(AuthTest, NoTokenGetsIntoTheLog) {
  Start();
  ASSERT_EQ(ListAs("user-secret"), grpc::StatusCode::OK);
  ASSERT_EQ(ListAs("wrong-secret"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(Log(), ::testing::Not(HasSubstr("secret")));
}

TEST_F(AuthTest, ATokenFileThatCannotBeReadEndsTheStart) {
  config_.auth_token_file = folder_.path() / "missing";
  EXPECT_THAT([this] { Start(); },
              ::testing::ThrowsMessage<std::runtime_error>(HasSubstr("--auth-token-file: ")));
}

}  // namespace
}  // namespace spikeserve::testing
