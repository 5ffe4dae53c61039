// Tokens: who may call what.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/access/authorizer.h"
#include "tests/rpc/raw_call.h"
#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using rpc::Authorizer;
using rpc::Scope;
using rpc::Tokens;
using serving::QuotaFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Authorizer, AsksForNothingWithoutTokens) {
  const Authorizer authorizer(Tokens{}, QuotaFile{});
  EXPECT_TRUE(authorizer.Check("", Scope::kUse).ok());
  EXPECT_TRUE(authorizer.Check("", Scope::kAdmin).ok());
}

TEST(Authorizer, TellsUseFromAdmin) {
  const Authorizer authorizer(Tokens{{"user", "user2"}, {"admin"}}, QuotaFile());
  EXPECT_TRUE(authorizer.Check("Bearer user2", Scope::kUse).ok());
  EXPECT_TRUE(authorizer.Check("Bearer admin", Scope::kUse).ok());
  EXPECT_TRUE(authorizer.Check("Bearer admin", Scope::kAdmin).ok());
  EXPECT_EQ(authorizer.Check("Bearer user", Scope::kAdmin).code(), StatusCode::kPermissionDenied);
}

TEST(Authorizer, RefusesWhatIsNoKnownToken) {
  const Authorizer authorizer(Tokens{{"user"}, {"admin"}}, QuotaFile());
  for (const char* header :
       {"", "user", "bearer user", "Basic user", "Bearer ", "Bearer usr", "Bearer user ", "Bearer userx"}) {
    EXPECT_EQ(authorizer.Check(header, Scope::kUse).code(), StatusCode::kUnauthenticated) << header;
    EXPECT_EQ(authorizer.Check(header, Scope::kAdmin).code(), StatusCode::kUnauthenticated) << header;
  }
}

TEST(Authorizer, OneListIsEnough) {
  const Authorizer only_use(Tokens{{"user"}, {}}, QuotaFile());
  EXPECT_TRUE(only_use.Check("Bearer user", Scope::kAdmin).ok());
  EXPECT_FALSE(only_use.Check("", Scope::kAdmin).ok());
  const Authorizer only_admin(Tokens{{}, {"admin"}}, QuotaFile());
  EXPECT_TRUE(only_admin.Check("", Scope::kUse).ok());
  EXPECT_FALSE(only_admin.Check("", Scope::kAdmin).ok());
}

TEST(Authorizer, ReadsOneTokenALine) {
  EXPECT_THAT(rpc::ParseTokens("# mine\n\n a \r\nb").value(), ElementsAre("a", "b"));
  EXPECT_FALSE(rpc::ParseTokens("").ok());
  EXPECT_FALSE(rpc::ParseTokens("# none\n").ok());
  EXPECT_FALSE(rpc::ParseTokens("two words").ok());
}

TEST(Authorizer, WhatNoHeaderCanCarryIsNoToken) {
  EXPECT_THAT(rpc::ParseTokens("\xEF\xBB\xBFtoken\n").status().message(),
              HasSubstr("line 1: got a byte-order mark (EF BB BF, UTF-8), wanted a text without one"));
  EXPECT_THAT(rpc::ParseTokens("token\nt\xC3\xB6ken\n").status().message(),
              HasSubstr("line 2: a token holds a character that no header can carry"));
}

QuotaFile Parse(const std::string& text) {
  const auto file = serving::ParseQuotaFile(text);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file.value();
}

std::string TenantOf(const Authorizer& authorizer, const std::string& token, Scope scope = Scope::kUse) {
  const auto tenant = authorizer.Identify(token.empty() ? token : "Bearer " + token, scope);
  return tenant.ok() ? tenant.value()->name() : tenant.status().message();
}

constexpr const char* kVision =
    R"({"name": "vision", "callers": [{"token": "v"}, {"token": "va", "scope": "admin"}]})";

TEST(Authorizer, EachTokenHasItsTenant) {
  const Authorizer authorizer(Tokens{{"user", "v"}, {"admin"}},
                              Parse(std::string(R"({"tenants": [)") + kVision + "]}"));
  EXPECT_EQ(TenantOf(authorizer, "v"), "vision");
  EXPECT_EQ(TenantOf(authorizer, "va", Scope::kAdmin), "vision");
  EXPECT_THAT(TenantOf(authorizer, "v", Scope::kAdmin), HasSubstr("may simulate, but not load"));
  EXPECT_EQ(TenantOf(authorizer, "user"), "token-04f8996d") << "the first digits of its SHA-256";
  EXPECT_NE(TenantOf(authorizer, "admin"), TenantOf(authorizer, "user"));
  EXPECT_THAT(TenantOf(authorizer, ""), HasSubstr("this server wants a token"));
  EXPECT_THAT(TenantOf(authorizer, "other"), HasSubstr("does not know the token"));
}

TEST(Authorizer, TokensOfTheQuotaFileAloneAreAskedFor) {
  const Authorizer authorizer(Tokens(), Parse(std::string(R"({"tenants": [)") + kVision + "]}"));
  EXPECT_EQ(TenantOf(authorizer, "v"), "vision");
  EXPECT_THAT(TenantOf(authorizer, ""), HasSubstr("this server wants a token"));
  EXPECT_THAT(TenantOf(authorizer, "v", Scope::kAdmin), HasSubstr("may simulate, but not load"));
}

TEST(Authorizer, ADefaultTenantLetsInWhoHasNoToken) {
  const Authorizer authorizer(
      Tokens(), Parse(std::string(R"({"tenants": [)") + kVision +
                      R"(, {"name": "guests", "callers": "default", "quotas": {"requests": 7}}]})"));
  EXPECT_EQ(TenantOf(authorizer, "v"), "vision");
  EXPECT_EQ(TenantOf(authorizer, ""), "guests");
  EXPECT_THAT(TenantOf(authorizer, "", Scope::kAdmin), HasSubstr("this server wants a token"));
  EXPECT_THAT(TenantOf(authorizer, "taken away"), HasSubstr("does not know the token"));
}

TEST(Authorizer, WithoutTokensTheDefaultHoldsForAll) {
  const Authorizer authorizer(
      Tokens(),
      Parse(R"({"tenants": [{"name": "guests", "callers": "default", "quotas": {"requests": 7}}]})"));
  EXPECT_EQ(TenantOf(authorizer, "anything"), "guests");
  EXPECT_EQ(TenantOf(authorizer, "", Scope::kAdmin), "guests");
}

TEST(Authorizer, TokensOfATokenFileHaveTheRulesOfTheDefaultEach) {
  const Authorizer authorizer(
      Tokens{{"one", "two"}, {}},
      Parse(R"({"tenants": [{"name": "guests", "callers": "default", "quotas": {"requests": 1}}]})"));
  const auto one = authorizer.Identify("Bearer one", Scope::kUse);
  const auto two = authorizer.Identify("Bearer two", Scope::kUse);
  const auto permit = one.value()->Admit(1, 0);
  EXPECT_TRUE(permit.ok());
  EXPECT_FALSE(one.value()->Admit(1, 0).ok());
  EXPECT_TRUE(two.value()->Admit(1, 0).ok());
}

TEST(Authorizer, AReplacementKeepsWhatTenantsUse) {
  Authorizer authorizer(Tokens(), Parse(std::string(R"({"tenants": [)") + kVision + "]}"));
  const auto before = authorizer.Identify("Bearer v", Scope::kUse);
  const auto permit = before.value()->Admit(1, 0);
  authorizer.Replace(
      Tokens(), Parse(R"({"tenants": [{"name": "vision", "callers": [{"token": "new"}], "weight": 3}]})"));
  const auto after = authorizer.Identify("Bearer new", Scope::kUse);
  EXPECT_EQ(after.value(), before.value());
  EXPECT_EQ(after.value()->usage().requests, 1);
  EXPECT_EQ(after.value()->rules().weight, 3);
  EXPECT_THAT(TenantOf(authorizer, "v"), HasSubstr("does not know the token"));
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
