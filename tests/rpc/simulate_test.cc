// Simulate: what is answered, and every refusal.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "tests/rpc/server_test.h"
#include "tests/support/encode_network.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Floats(const v1::Array& array) {
  std::vector<float> values(array.data().size() / sizeof(float));
  std::memcpy(values.data(), array.data().data(), array.data().size());
  return values;
}

// SmallMlp with three outputs, probes of all kinds, and an input that takes bytes.
engine::NetworkDefinition WideMlp() {
  engine::NetworkDefinition network = SmallMlp();
  network.operations[0].kind = engine::InputOperation{{2}, 1.0 / 255, 0.0};
  network.tensors[2] = Tensor("w1", {3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  network.probes = {{"spikes", "spikes", engine::ProbeQuantity::kSpikes, {}},
                    {"output", "output", engine::ProbeQuantity::kOutput, {}},
                    {"filtered", "output", engine::ProbeQuantity::kOutput, engine::Lowpass{0.01}}};
  network.defaults = {0.002, 20, {engine::ReadoutKind::kMean, 5}};
  return network;
}

class SimulateTest : public ServerTest {
 protected:
  void StartWithNetwork() {
    Start();
    ASSERT_TRUE(Load("net", WideMlp()).ok());
  }
  void ExpectRefused(const std::function<void(v1::SimulateRequest&)>& change, const std::string& text,
                     grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    v1::SimulateRequest request = Request("net", {1, 2});
    change(request);
    const grpc::Status status = Simulate(request);
    EXPECT_EQ(status.error_code(), code) << text;
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }
};

TEST_F(SimulateTest, AnswersOutputsClassesTimingAndSettings) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1.5F, 2.5F});
  request.set_softmax(true);
  request.set_top_k(2);
  request.set_statistics(true);
  request.set_seed(7);
  v1::SimulateResponse response;
  const grpc::Status status = Simulate(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.probes_size(), 2);  // the OUTPUT ones
  EXPECT_EQ(response.probes(0).name(), "output");
  EXPECT_EQ(response.probes(0).outputs().data_type(), v1::DATA_TYPE_FLOAT32);
  EXPECT_THAT(response.probes(0).outputs().shape(), ElementsAre(2, 3));
  EXPECT_THAT(Floats(response.probes(0).outputs()), ElementsAre(1.5F, 1.5F, 1.5F, 2.5F, 2.5F, 2.5F));
  EXPECT_FALSE(response.probes(0).has_trajectory());
  EXPECT_THAT(response.classification().classes(), ElementsAre(0, 0));
  EXPECT_THAT(response.classification().margins(), ElementsAre(0, 0));
  EXPECT_THAT(response.classification().top_k(1).classes(), ElementsAre(0, 1));
  EXPECT_THAT(response.classification().scores().shape(), ElementsAre(2, 3));
  ASSERT_EQ(response.statistics_size(), 1);
  const v1::LayerStatistics& layer = response.statistics(0);
  EXPECT_EQ(layer.layer(), "spikes");
  EXPECT_EQ(layer.neurons(), 3);
  EXPECT_EQ(layer.spikes(), 20);  // one per step and sample
  EXPECT_DOUBLE_EQ(layer.mean_rate_hz(), 20 / (2 * 3 * 10 * 0.002));
  EXPECT_DOUBLE_EQ(layer.max_rate_hz(), 1 / (10 * 0.002));
  EXPECT_DOUBLE_EQ(layer.silent_fraction(), 0);
  EXPECT_EQ(layer.synaptic_operations(), 4);
  EXPECT_EQ(response.timing().batch_size(), 2);
  EXPECT_GT(response.timing().total_s(), 0);
  EXPECT_GE(response.timing().total_s(), response.timing().compute_s() + response.timing().queue_s());
  const v1::EffectiveSettings& settings = response.settings();
  EXPECT_EQ(settings.network(), "net");
  EXPECT_EQ(settings.version(), 1);
  EXPECT_EQ(settings.dt(), 0.002);
  EXPECT_EQ(settings.steps(), 10);
  EXPECT_EQ(settings.seed(), 7U);
  EXPECT_EQ(settings.mode(), v1::MODE_EXACT);
  EXPECT_EQ(settings.backend(), "fake");
  EXPECT_EQ(settings.readout().kind(), v1::READOUT_KIND_MEAN);
  EXPECT_EQ(settings.readout().skip_steps(), 5);
  EXPECT_FALSE(settings.has_initial_voltage());
}

TEST_F(SimulateTest, FastModeIsEchoedAndAnswersInSinglePrecision) {
  Start();
  const std::string bytes = EncodeNetwork(WideMlp()).SerializeAsString();
  v1::LoadNetworkHeader header = Header("net", bytes);
  header.set_mode(v1::MODE_FAST);
  v1::LoadNetworkResponse loaded;
  ASSERT_TRUE(Upload(header, bytes, &loaded).ok());
  EXPECT_EQ(loaded.network().mode(), v1::MODE_FAST);
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(Request("net", {1.5F}), &response).ok());
  EXPECT_EQ(response.settings().mode(), v1::MODE_FAST);
  EXPECT_EQ(response.probes(0).outputs().data_type(), v1::DATA_TYPE_FLOAT32);
}

TEST_F(SimulateTest, ReferenceModeAnswersInDoublePrecision) {
  Start();
  const std::string bytes = EncodeNetwork(WideMlp()).SerializeAsString();
  v1::LoadNetworkHeader header = Header("net", bytes);
  header.set_mode(v1::MODE_REFERENCE);
  ASSERT_TRUE(Upload(header, bytes).ok());
  v1::SimulateRequest request = Request("net", {1.5F});
  request.set_softmax(true);
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  EXPECT_EQ(response.settings().mode(), v1::MODE_REFERENCE);
  EXPECT_EQ(response.probes(0).outputs().data_type(), v1::DATA_TYPE_FLOAT64);
  EXPECT_EQ(response.probes(0).outputs().data().size(), 3 * sizeof(double));
  EXPECT_EQ(response.classification().scores().data_type(), v1::DATA_TYPE_FLOAT64);
}

TEST_F(SimulateTest, UsesTheNetworksDefaultsWhereTheRequestIsSilent) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1});
  request.clear_steps();
  request.mutable_inputs(0)->clear_name();
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  EXPECT_EQ(response.settings().steps(), 20);
  request.set_dt(0.5);
  request.mutable_readout()->set_kind(v1::READOUT_KIND_LAST);
  request.mutable_initial_voltage()->set_constant(0.25);
  ASSERT_TRUE(Simulate(request, &response).ok());
  EXPECT_EQ(response.settings().dt(), 0.5);
  EXPECT_EQ(response.settings().readout().kind(), v1::READOUT_KIND_LAST);
  EXPECT_EQ(response.settings().readout().skip_steps(), 0);
  EXPECT_EQ(response.settings().initial_voltage().constant(), 0.25);
}

TEST_F(SimulateTest, AnswersTrajectoriesAndOnlyTheProbesAskedFor) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {3});
  request.set_steps(6);
  request.add_probes("spikes");
  request.set_trajectories(true);
  v1::SimulateResponse response;
  ASSERT_TRUE(Simulate(request, &response).ok());
  ASSERT_EQ(response.probes_size(), 1);
  EXPECT_THAT(response.probes(0).trajectory().shape(), ElementsAre(1, 6, 3));
  EXPECT_EQ(Floats(response.probes(0).trajectory())[3], 4);  // first output of the second step
  EXPECT_FALSE(response.has_classification());
}

TEST_F(SimulateTest, TakesBytesAndValuesPerStep) {
  StartWithNetwork();
  v1::SimulateRequest request = Request("net", {1});
  v1::Array& input = *request.mutable_inputs(0);
  input.set_data_type(v1::DATA_TYPE_UINT8);
  input.set_data(std::string(2, '\x05') + std::string(2, '\0'));  // the fake device reads four bytes
  input.clear_shape();
  input.add_shape(2);
  input.add_shape(2);
  ASSERT_TRUE(Simulate(request).ok());
  request = Request("net", {1});
  request.set_steps(6);
  v1::Array& per_step = *request.mutable_inputs(0);
  per_step.clear_shape();
  for (const std::int64_t dimension : {1, 6, 2}) {
    per_step.add_shape(dimension);
  }
  per_step.set_data(std::string(6 * 2 * sizeof(float), '\0'));
  EXPECT_TRUE(Simulate(request).ok());
}

TEST_F(SimulateTest, NamesTheNetworkThatItDoesNotHave) {
  StartWithNetwork();
  ExpectRefused([](auto& r) { r.set_network("other"); }, "network \"other\" is not loaded",
                grpc::StatusCode::NOT_FOUND);
  ExpectRefused([](auto& r) { r.set_version(3); }, "\"net\" version 3 is not loaded",
                grpc::StatusCode::NOT_FOUND);
  ExpectRefused([](auto& r) { r.set_network("../x"); }, "network: got \"../x\", allowed");
  ExpectRefused([](auto& r) { r.set_version(-1); }, "version: got -1");
}

TEST_F(SimulateTest, RefusesSettingsOutOfRange) {
  config_.limits.max_steps = 50;
  StartWithNetwork();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  ExpectRefused([](auto& r) { r.set_steps(0); }, "steps: got 0, allowed 1..50");
  ExpectRefused([](auto& r) { r.set_steps(-1); }, "steps: got -1");
  ExpectRefused([](auto& r) { r.set_steps(51); }, "steps: got 51, allowed 1..50 (--max-steps)",
                grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (const double dt : {0.0, -0.001, 1e-10, 1e4, nan, infinity}) {
    ExpectRefused([dt](auto& r) { r.set_dt(dt); }, "dt: got ");
  }
  ExpectRefused([](auto& r) { r.mutable_readout()->set_kind(static_cast<v1::ReadoutKind>(9)); },
                "readout.kind: got 9");
  ExpectRefused([](auto& r) { r.mutable_readout(); }, "readout.kind: got 0");
  ExpectRefused([](auto& r) { r.set_steps(5); },
                "readout.skip_steps: got 5 (the network's default), allowed 0..4");
  ExpectRefused(
      [](auto& r) {
        r.mutable_readout()->set_kind(v1::READOUT_KIND_MEAN);
        r.mutable_readout()->set_skip_steps(-1);
      },
      "readout.skip_steps: got -1, allowed 0..9");
  ExpectRefused([](auto& r) { r.mutable_initial_voltage(); }, "initial_voltage: got no kind");
  ExpectRefused([](auto& r) { r.mutable_initial_voltage()->set_tensor("w0"); },
                "initial_voltage: got a tensor");
  for (const double voltage : {nan, infinity, 1e9}) {
    ExpectRefused([=](auto& r) { r.mutable_initial_voltage()->set_constant(voltage); },
                  "initial_voltage.constant: got ");
  }
}

TEST_F(SimulateTest, RefusesInputsThatDoNotFit) {
  config_.limits.max_samples = 8;
  StartWithNetwork();
  const auto input = [](v1::SimulateRequest& r) -> v1::Array& { return *r.mutable_inputs(0); };
  ExpectRefused([](auto& r) { r.clear_inputs(); },
                "inputs: got 0 arrays, wanted 1, one for each of \"input\"");
  ExpectRefused([](auto& r) { *r.add_inputs() = r.inputs(0); }, "inputs: got 2 arrays, wanted 1");
  ExpectRefused([&](auto& r) { input(r).set_name("other"); },
                "inputs[0].name: got \"other\", allowed: \"input\"");
  ExpectRefused([&](auto& r) { input(r).clear_data_type(); },
                "data_type: got 0, allowed FLOAT32, FLOAT64, UINT8");
  ExpectRefused([&](auto& r) { input(r).set_data_type(static_cast<v1::DataType>(77)); }, "data_type: got 77");
  ExpectRefused([&](auto& r) { input(r).clear_shape(); },
                "shape: got [], wanted [batch, 2] or [batch, 10, 2]");
  ExpectRefused([&](auto& r) { input(r).set_shape(1, 3); }, "shape: got [2, 3], wanted [batch, 2]");
  ExpectRefused([&](auto& r) { input(r).set_shape(0, 0); }, "shape: got a batch of 0, allowed 1..8");
  ExpectRefused([&](auto& r) { input(r).set_shape(0, -1); }, "shape: got a batch of -1");
  ExpectRefused([&](auto& r) { input(r).set_shape(0, 9); },
                "shape: got a batch of 9, allowed 1..8 (--max-samples)",
                grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectRefused([&](auto& r) { input(r).set_shape(0, std::int64_t{1} << 62); }, "allowed 1..8",
                grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectRefused([&](auto& r) { input(r).set_shape(0, 3); }, "data: got 16 bytes, wanted 24 for shape [3, 2]");
  ExpectRefused([&](auto& r) { input(r).mutable_data()->push_back('x'); }, "data: got 17 bytes, wanted 16");
}

TEST_F(SimulateTest, RefusesValuesThatAreNotFinite) {
  StartWithNetwork();
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    v1::SimulateRequest request = Request("net", {1, value});
    const grpc::Status status = Simulate(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(std::isnan(value) ? "got nan at index 0 of sample 1"
                                                                    : "got inf at index 0 of sample 1"));
  }
  ExpectRefused(
      [](auto& r) {
        const std::vector<double> values = {0, 1e300, 0, 0};
        r.mutable_inputs(0)->set_data_type(v1::DATA_TYPE_FLOAT64);
        r.mutable_inputs(0)->set_data(values.data(), 32);
      },
      "got 1e+300 at index 1 of sample 0, allowed are finite numbers up to the largest float32");
}

TEST_F(SimulateTest, TellsWhatToDoWhereBytesAreNotTaken) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->set_data_type(v1::DATA_TYPE_UINT8); },
                "data_type: got UINT8, allowed FLOAT32, FLOAT64; this input declares no uint8_scale: send "
                "numbers as FLOAT32");
}

TEST_F(SimulateTest, RefusesProbesAndAnswersThatItCannotGive) {
  StartWithNetwork();
  ExpectRefused([](auto& r) { r.add_probes("other"); },
                "probes[0]: got \"other\", allowed: \"spikes\", \"output\", \"filtered\"");
  ExpectRefused(
      [](auto& r) {
        for (int i = 0; i < 2; ++i) {
          r.add_probes("output");
        }
      },
      "probes[1]: \"output\" is named twice");
  ExpectRefused(
      [](auto& r) {
        for (int i = 0; i < 4; ++i) {
          r.add_probes("output");
        }
      },
      "probes: got 4 names, the network has 3");
  ExpectRefused([](auto& r) { r.set_top_k(4); }, "top_k: got 4, allowed 0..3");
  ExpectRefused([](auto& r) { r.set_top_k(-1); }, "top_k: got -1");
  ExpectRefused(
      [](auto& r) {
        r.add_probes("spikes");
        r.set_top_k(1);
      },
      "top_k: needs an OUTPUT probe");
  ExpectRefused(
      [](auto& r) {
        r.add_probes("spikes");
        r.set_softmax(true);
      },
      "softmax: needs an OUTPUT probe");
}

TEST_F(SimulateTest, ASilentRequestNeedsAnOutputProbe) {
  Start();
  engine::NetworkDefinition network = SmallMlp();
  network.probes = {{"spikes", "spikes", engine::ProbeQuantity::kSpikes, {}}};
  ASSERT_TRUE(Load("net", network).ok());
  ExpectRefused([](auto&) {}, "probes: got none, and the network has no OUTPUT probe");
}

TEST_F(SimulateTest, ChecksTheSizeOfTheAnswerBeforeItRuns) {
  config_.limits.max_response_bytes = 2000;
  StartWithNetwork();
  const std::size_t runs = script_->batches().size();
  ExpectRefused(
      [](auto& r) {
        r.set_trajectories(true);
        r.set_steps(1000);
      },
      "would have 48176 bytes, allowed 2000 (--max-response-mb)", grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(script_->batches().size(), runs);
  EXPECT_TRUE(Simulate(Request("net", {1})).ok());
}

TEST_F(SimulateTest, RefusesMessagesAboveTheLimits) {
  config_.limits.max_message_bytes = 100'000;
  config_.limits.max_structure_bytes = 1000;
  StartWithNetwork();
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->set_data(std::string(100'001, '\0')); }, "larger than max",
                grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectRefused(
      [](auto& r) {
        for (int i = 0; i < 600; ++i) {
          r.add_inputs();
        }
      },
      "bytes besides tensor data, allowed 1000", grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(SimulateTest, ReservesMemoryForTheMessage) {
  config_.memory_budget_bytes = 60'000;
  StartWithNetwork();
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->set_data(std::string(50'000, '\0')); },
                "the request: needs 100", grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(SimulateTest, WhatTheEngineRefusesIsTheAnswer) {
  StartWithNetwork();
  script_->sample_status = [](std::size_t sample) {
    return sample == 1 ? OutOfRange("voltage is inf") : Status();
  };
  const grpc::Status status = Simulate(Request("net", {1, 2}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "sample 1: voltage is inf");
}

TEST_F(SimulateTest, WhatTheEngineThrowsDoesNotEndTheServer) {
  StartWithNetwork();
  script_->on_advance = [](std::int64_t) -> Status { throw std::bad_alloc(); };
  EXPECT_EQ(Simulate(Request("net", {1})).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  script_->on_advance = nullptr;
  EXPECT_TRUE(Simulate(Request("net", {1})).ok());
}

TEST_F(SimulateTest, LogsOneLineAndCountsEachRequest) {
  StartWithNetwork();
  ASSERT_TRUE(Simulate(Request("net", {1, 2})).ok());
  ASSERT_TRUE(Eventually([this] { return Log().find("\"Simulate\"") != std::string::npos; }));
  EXPECT_THAT(Log(), HasSubstr(R"(","method":"Simulate","code":"OK","network":"net","version":1,"samples":2,)"
                               R"("batch":2,"queue_ms":)"));
}

}  // namespace
}  // namespace spikeserve::testing
