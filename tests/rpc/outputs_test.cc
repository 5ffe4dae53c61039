// What clients are told beside the numbers: the activation that is left to them, and inputs on another scale.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "server/engine/make_backend.h"
#include "tests/rpc/infer_test.h"
#include "tests/support/encode_network.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OutputsTest : public InferTest {
 protected:
  std::unique_ptr<engine::Backend> MakeDevice() override {
    return std::move(engine::MakeBackend({.kind = "cpu", .threads = 2})).value();
  }
  // ThreeClasses, calibrated on bytes, whose outputs are left with a bounded ReLU.
  static v1::NetworkDefinition Definition() {
    v1::NetworkDefinition definition = EncodeNetwork(ThreeClasses());
    v1::OutputActivation& activation = *definition.mutable_probes(1)->mutable_activation();
    activation.set_function(v1::OUTPUT_FUNCTION_RELU);
    activation.set_alpha(0.25);
    activation.set_max_value(6);
    activation.set_threshold(-1);
    v1::InputRange& range = *definition.mutable_provenance()->add_input_ranges();
    range.set_input("input");
    range.set_lowest(0);
    range.set_highest(255);
    range.set_mean_magnitude(70);
    return definition;
  }
  grpc::Status LoadChanged(const std::function<void(v1::NetworkDefinition&)>& change,
                           v1::LoadNetworkResponse* response = nullptr) {
    v1::NetworkDefinition definition = Definition();
    change(definition);
    const std::string bytes = definition.SerializeAsString();
    return Upload(Header("net", bytes), bytes, response);
  }
  void StartWithNetwork() {
    Start();
    ASSERT_TRUE(LoadChanged([](v1::NetworkDefinition&) {}).ok());
  }
  // Of a run on samples with these first values.
  std::vector<std::string> Warnings(const std::vector<float>& first_values) {
    v1::SimulateResponse response;
    EXPECT_TRUE(Simulate(Request("net", first_values), &response).ok());
    return {response.warnings().begin(), response.warnings().end()};
  }
};

TEST_F(OutputsTest, TellsEveryClientWhichActivationIsLeftToIt) {
  StartWithNetwork();
  const std::string wanted = Definition().probes(1).activation().SerializeAsString();
  v1::GetNetworkRequest get;
  get.set_name("net");
  v1::GetNetworkResponse found;
  grpc::ClientContext call;
  ASSERT_TRUE(networks_->GetNetwork(&call, get, &found).ok());
  EXPECT_FALSE(found.network().probes(0).has_activation());
  EXPECT_EQ(found.network().probes(1).activation().SerializeAsString(), wanted);
  v1::SimulateRequest request = Request("net", {100});
  request.add_probes("spikes");
  request.add_probes("output");
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  EXPECT_FALSE(response.probes(0).has_activation());
  EXPECT_EQ(response.probes(1).activation().SerializeAsString(), wanted);
  inference::ModelInferResponse inferred;
  ASSERT_TRUE(Infer(RawRequest({100}), &inferred).ok());
  EXPECT_EQ(inferred.outputs(0).parameters().at("activation").string_param(),
            "relu(alpha=0.25,max_value=6,threshold=-1)");
  inference::ModelMetadataRequest about;
  about.set_name("net");
  inference::ModelMetadataResponse metadata;
  grpc::ClientContext asking;
  ASSERT_TRUE(stub_->ModelMetadata(&asking, about, &metadata).ok());
  EXPECT_EQ(metadata.properties().at("activation.output"), "relu(alpha=0.25,max_value=6,threshold=-1)");
}

TEST_F(OutputsTest, StreamsAndSessionsTellItToo) {
  StartWithNetwork();
  v1::SimulateStreamRequest request;
  *request.mutable_request() = Request("net", {100});
  request.set_report_every(5);
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, request);
  v1::SimulateStreamResponse event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.progress().probes(0).activation().function(), v1::OUTPUT_FUNCTION_RELU);
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(event.result().probes(0).activation().function(), v1::OUTPUT_FUNCTION_RELU);

  grpc::ClientContext talking;
  const auto stream = simulations_->Session(&talking);
  v1::SessionRequest message;
  message.mutable_open()->mutable_settings()->set_network("net");
  message.mutable_open()->set_batch(1);
  v1::SessionResponse answer;
  ASSERT_TRUE(stream->Write(message) && stream->Read(&answer));
  message.mutable_advance()->set_steps(3);
  *message.mutable_advance()->add_inputs() = Request("net", {0.5F}).inputs(0);
  ASSERT_TRUE(stream->Write(message) && stream->Read(&answer));
  EXPECT_EQ(answer.progress().probes(0).activation().function(), v1::OUTPUT_FUNCTION_RELU);
  ASSERT_EQ(answer.progress().warnings_size(), 1);
  EXPECT_THAT(answer.progress().warnings(0), HasSubstr("no value is beyond 0.5"));
  *message.mutable_advance()->mutable_inputs(0) = Request("net", {100}).inputs(0);
  ASSERT_TRUE(stream->Write(message) && stream->Read(&answer));
  EXPECT_THAT(answer.progress().warnings(), IsEmpty());
}

TEST_F(OutputsTest, AnActivationOfANewerClientIsPassedOn) {
  Start();
  v1::LoadNetworkResponse response;
  ASSERT_TRUE(LoadChanged(
                  [](v1::NetworkDefinition& definition) {
                    definition.mutable_probes(1)->mutable_activation()->set_function(
                        static_cast<v1::OutputFunction>(99));
                  },
                  &response)
                  .ok());
  EXPECT_EQ(response.network().probes(1).activation().function(), 99);
  inference::ModelInferResponse inferred;
  ASSERT_TRUE(Infer(RawRequest({100}), &inferred).ok());
  EXPECT_THAT(inferred.outputs(0).parameters().at("activation").string_param(), HasSubstr("99"));
}

TEST_F(OutputsTest, RefusesNumbersThatAreNone) {
  Start();
  const grpc::Status status = LoadChanged([](v1::NetworkDefinition& definition) {
    definition.mutable_probes(1)->mutable_activation()->set_alpha(std::numeric_limits<double>::quiet_NaN());
  });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("probe \"output\": activation.alpha is nan"));
  const grpc::Status many = LoadChanged([](v1::NetworkDefinition& definition) {
    for (int i = 0; i < 1024; ++i) {
      definition.mutable_provenance()->add_input_ranges();
    }
  });
  EXPECT_EQ(many.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(many.error_message(), HasSubstr("provenance.input_ranges: got 1025, allowed 1024"));
}

TEST_F(OutputsTest, WarnsOfInputsOnAnotherScale) {
  StartWithNetwork();
  EXPECT_THAT(Warnings({1, 0.5F}),
              ElementsAre(HasSubstr("\"input\": no value is beyond 1, but the network was "
                                    "calibrated on values from 0 to 255")));
  EXPECT_THAT(Warnings({65'025}), ElementsAre(HasSubstr("values reach 65025")));
  inference::ModelInferResponse inferred;
  ASSERT_TRUE(Infer(RawRequest({1}), &inferred).ok());
  EXPECT_THAT(inferred.parameters().at("warnings").string_param(), HasSubstr("no value is beyond 1"));
  v1::SimulateRequest bytes = Request("net", {0});  // 255 of them stand for 1
  v1::Array& input = *bytes.mutable_inputs(0);
  input.set_data_type(v1::DATA_TYPE_UINT8);
  input.set_data("\xFF\x80");
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(bytes, &response).ok());
  EXPECT_THAT(response.warnings(), ElementsAre(HasSubstr("no value is beyond 1")));
}

TEST_F(OutputsTest, LooksAtAllValuesWhereTheFirstAreSmall) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {0});
  v1::Array& input = *request.mutable_inputs(0);
  input.clear_shape();
  for (const std::int64_t size : {1000, 10, 2}) {  // a value for each step
    input.add_shape(size);
  }
  std::vector<float> values(20'000, 0.5F);
  v1::SimulateResponse response;
  for (const bool small : {true, false}) {
    values.back() = small ? 0.5F : 100;
    input.set_data(values.data(), values.size() * sizeof(float));
    const grpc::Status status = Simulate(request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.warnings_size(), small ? 1 : 0);
  }
}

TEST_F(OutputsTest, IsSilentAboutWhatMayBeMeant) {
  StartWithNetwork();
  EXPECT_THAT(Warnings({0}), IsEmpty());          // black
  EXPECT_THAT(Warnings({0, 200, 3}), IsEmpty());  // black among others
  EXPECT_THAT(Warnings({2}), IsEmpty());          // dark
  EXPECT_THAT(Warnings({-1000}), IsEmpty());      // larger, not of another kind
  EXPECT_THAT(Warnings({20'000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                        0,      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                        0,      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
              IsEmpty());                            // an outlier
  v1::SimulateRequest events = Request("net", {0});  // spikes, each of which is large
  v1::Array& input = *events.mutable_inputs(0);
  const std::vector<float> values(20, 50'000.0F);
  input.clear_shape();
  for (const std::int64_t size : {1, 10, 2}) {
    input.add_shape(size);
  }
  input.set_data(values.data(), values.size() * sizeof(float));
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(events, &response).ok());
  EXPECT_THAT(response.warnings(), IsEmpty());
}

}  // namespace
}  // namespace spikeserve::testing
