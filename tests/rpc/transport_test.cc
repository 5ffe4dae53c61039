// The limits below the messages: calls on one connection, and buffers of all.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"
#include "tests/support/gate.h"

namespace spikeserve::testing {
namespace {

class TransportTest : public ServerTest {
 protected:
  // A connection of its own.
  std::unique_ptr<v1::NetworkService::Stub> Connect() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::NetworkService::NewStub(
        grpc::CreateCustomChannel(server().address(), grpc::InsecureChannelCredentials(), arguments));
  }
  static grpc::StatusCode List(v1::NetworkService::Stub& stub, std::chrono::milliseconds patience) {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + patience);
    v1::ListNetworksResponse response;
    return stub.ListNetworks(&call, {}, &response).error_code();
  }
};

TEST_F(TransportTest, ACallMoreThanAConnectionMayHaveWaits) {
  config_.max_streams = 1;
  Start();
  ASSERT_TRUE(Load("net").ok());
  const auto other = Connect();
  EXPECT_EQ(List(*networks_, std::chrono::seconds(20)), grpc::StatusCode::OK);
  grpc::ClientContext call;
  v1::LoadNetworkResponse response;
  const auto upload = networks_->LoadNetwork(&call, &response);  // holds the one stream there is
  v1::LoadNetworkRequest message;
  *message.mutable_header() = Header("other", "bytes");
  ASSERT_TRUE(upload->Write(message));
  ASSERT_TRUE(Eventually([this] { return server().registry().List().size() == 2; }));
  EXPECT_EQ(List(*networks_, std::chrono::milliseconds(200)), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(List(*other, std::chrono::seconds(20)), grpc::StatusCode::OK);
  call.TryCancel();
  EXPECT_EQ(upload->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(List(*networks_, std::chrono::seconds(20)), grpc::StatusCode::OK);
}

TEST_F(TransportTest, AMessageAboveTheBuffersOfAllConnectionsIsRefused) {
  constexpr std::size_t kMessageBytes = std::size_t{40} << 20;
  config_.memory_budget_bytes = std::int64_t{1} << 30;
  v1::SimulateRequest request = Request("net", {1});
  request.mutable_inputs(0)->set_data(std::string(kMessageBytes, '\0'));
  Start();
  ASSERT_TRUE(Load("net").ok());
  EXPECT_EQ(Simulate(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);  // it got through
  Stop();
  config_.network_repository.clear();
  config_.max_transport_bytes = 16 << 20;
  Start();
  ASSERT_TRUE(Load("net").ok());
  EXPECT_EQ(Simulate(request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Eventually([this] { return Simulate(Request("net", {1})).ok(); }));
}

}  // namespace
}  // namespace spikeserve::testing
