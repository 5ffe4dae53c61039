// The Open Inference Protocol: what it says of a network and of the server, and what it does not have.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/rpc/infer_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using inference::ModelInferRequest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InferLookupsTest : public InferTest {
 protected:
  void SetUp() override {
    Start();
    ASSERT_TRUE(LoadLabelled("net").ok());
  }
};

TEST_F(InferLookupsTest, CountsWhatANetworkIsUsedFor) {
  ASSERT_TRUE(Infer(RawRequest({1, 2})).ok());
  ModelInferRequest wrong = RawRequest({1});
  wrong.mutable_inputs(0)->set_datatype("INT8");
  ASSERT_FALSE(Infer(wrong).ok());
  inference::ModelStatisticsRequest request;
  request.set_name("net");
  inference::ModelStatisticsResponse response;
  ASSERT_TRUE(Eventually([&] {  // a call is counted when it is over, and its client knows that first
    grpc::ClientContext call;
    return stub_->ModelStatistics(&call, request, &response).ok() && response.model_stats_size() == 1 &&
           response.model_stats(0).inference_stats().fail().count() == 1 &&
           response.model_stats(0).inference_stats().success().count() == 1 &&
           response.model_stats(0).execution_count() == 1;
  }));
  const inference::ModelStatistics& statistics = response.model_stats(0);
  EXPECT_EQ(statistics.version(), "1");
  EXPECT_EQ(statistics.inference_count(), 2U);
  EXPECT_EQ(statistics.inference_stats().success().count(), 1U);
  EXPECT_EQ(statistics.inference_stats().queue().count(), 1U);
  EXPECT_EQ(statistics.inference_stats().compute_input().count(), 1U);
  EXPECT_EQ(statistics.inference_stats().compute_infer().count(), 1U);
  EXPECT_EQ(statistics.inference_stats().compute_output().count(), 1U);
  ASSERT_EQ(statistics.batch_stats_size(), 1);
  EXPECT_EQ(statistics.batch_stats(0).batch_size(), 2U);
  EXPECT_GT(statistics.last_inference(), 0U);
}

TEST_F(InferLookupsTest, DescribesTheNetworkToTools) {
  grpc::ClientContext call;
  inference::ModelMetadataRequest request;
  request.set_name("net");
  inference::ModelMetadataResponse metadata;
  ASSERT_TRUE(stub_->ModelMetadata(&call, request, &metadata).ok());
  EXPECT_THAT(metadata.versions(), ElementsAre("1"));
  ASSERT_EQ(metadata.inputs_size(), 1);
  EXPECT_THAT(metadata.inputs(0).shape(), ElementsAre(-1, 2));
  EXPECT_EQ(metadata.properties().at("class_label.1"), "dog");
  EXPECT_EQ(metadata.properties().at("steps"), "20");
  grpc::ClientContext config_call;
  inference::ModelConfigRequest config_request;
  config_request.set_name("net");
  inference::ModelConfigResponse config;
  ASSERT_TRUE(stub_->ModelConfig(&config_call, config_request, &config).ok());
  EXPECT_GT(config.config().max_batch_size(), 0);
  ASSERT_EQ(config.config().output_size(), metadata.outputs_size());
  for (int i = 0; i < metadata.outputs_size(); ++i) {
    EXPECT_EQ(config.config().output(i).name(), metadata.outputs(i).name());
  }
}

TEST_F(InferLookupsTest, SaysWhatIsReady) {
  grpc::ClientContext live;
  inference::ServerLiveResponse is_live;
  ASSERT_TRUE(stub_->ServerLive(&live, {}, &is_live).ok());
  EXPECT_TRUE(is_live.live());
  grpc::ClientContext ready;
  inference::ServerReadyResponse is_ready;
  ASSERT_TRUE(stub_->ServerReady(&ready, {}, &is_ready).ok());
  EXPECT_TRUE(is_ready.ready());
  for (const auto& [name, wanted] : std::map<std::string, bool>{{"net", true}, {"nothing", false}}) {
    grpc::ClientContext call;
    inference::ModelReadyRequest request;
    request.set_name(name);
    inference::ModelReadyResponse response;
    ASSERT_TRUE(stub_->ModelReady(&call, request, &response).ok());
    EXPECT_EQ(response.ready(), wanted) << name;
  }
}

TEST_F(InferLookupsTest, RefusesWhatItDoesNotHaveWithTheReason) {
  grpc::ClientContext memory;
  inference::SystemSharedMemoryStatusResponse status_response;
  const grpc::Status no_memory = stub_->SystemSharedMemoryStatus(&memory, {}, &status_response);
  EXPECT_EQ(no_memory.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(no_memory.error_message(), HasSubstr("shares no memory"));
  grpc::ClientContext settings;
  inference::TraceSettingResponse trace_response;
  const grpc::Status no_settings = stub_->TraceSetting(&settings, {}, &trace_response);
  EXPECT_EQ(no_settings.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(no_settings.error_message(), HasSubstr("flags"));
}

}  // namespace
}  // namespace spikeserve::testing
