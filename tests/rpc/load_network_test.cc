// LoadNetwork: every rule of the upload, and what a client that leaves takes with it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "server/serving/sha256.h"
#include "tests/rpc/server_test.h"
#include "tests/support/encode_network.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;

class LoadNetworkTest : public ServerTest {
 protected:
  LoadNetworkTest() { config_.limits.max_uploads = 64; }  // a refused one counts until its call is gone

  void ExpectRefused(const grpc::Status& status, grpc::StatusCode code, const std::string& text) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(text));
    EXPECT_TRUE(Idle(0));
    EXPECT_TRUE(server().registry().List().empty());
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "networks/net"));
  }
  void ExpectHeaderRefused(const std::function<void(v1::LoadNetworkHeader&)>& change, grpc::StatusCode code,
                           const std::string& text) {
    v1::LoadNetworkHeader header = Header("net", bytes_);
    change(header);
    ExpectRefused(Upload(header, bytes_), code, text);
  }
  void ExpectNetworkRefused(const std::function<void(v1::NetworkDefinition&)>& change,
                            const std::string& text) {
    v1::NetworkDefinition definition = EncodeNetwork(SmallMlp());
    change(definition);
    const std::string bytes = definition.SerializeAsString();
    ExpectRefused(Upload(Header("net", bytes), bytes), grpc::StatusCode::INVALID_ARGUMENT, text);
  }

  const std::string bytes_ = EncodeNetwork(SmallMlp()).SerializeAsString();
};

TEST_F(LoadNetworkTest, AnswersWithTheNetworkThatIsReady) {
  Start();
  v1::LoadNetworkResponse response;
  ASSERT_TRUE(Load("net", SmallMlp(), &response).ok());
  const v1::NetworkInfo& info = response.network();
  EXPECT_EQ(info.name(), "net");
  EXPECT_EQ(info.version(), 1);
  EXPECT_EQ(info.state(), v1::NETWORK_STATE_READY);
  EXPECT_EQ(info.mode(), v1::MODE_EXACT);
  EXPECT_EQ(info.backend(), "fake");
  EXPECT_EQ(info.resident_bytes(), script_->network_bytes);
  EXPECT_EQ(info.neurons(), 3);
  EXPECT_EQ(info.parameters(), 12);
  EXPECT_EQ(info.sha256(), serving::ToHex(serving::Sha256(bytes_)));
  EXPECT_EQ(info.inputs(0).name(), "input");
  EXPECT_THAT(info.inputs(0).shape(), ::testing::ElementsAre(2));
  EXPECT_THAT(info.inputs(0).data_types(),
              ::testing::ElementsAre(v1::DATA_TYPE_FLOAT32, v1::DATA_TYPE_FLOAT64));
  EXPECT_EQ(info.probes(0).quantity(), v1::PROBE_QUANTITY_OUTPUT);
  ASSERT_EQ(info.layers_size(), 4);
  EXPECT_EQ(info.layers(1).kind(), "affine");
  EXPECT_EQ(info.layers(1).parameters(), 9);
  EXPECT_EQ(info.layers(2).kind(), "neuron.integrate_and_fire");
  EXPECT_EQ(info.layers(2).neurons(), 3);
  EXPECT_GT(info.loaded_at().seconds(), 0);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "networks/net/1/network.spk"));
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(LoadNetworkTest, SaysWhatTheOutputsAreAndKeepsTheReportInTheFileAlone) {
  Start();
  v1::NetworkDefinition definition = EncodeNetwork(SmallMlp());
  definition.mutable_defaults()->set_output_kind(v1::OUTPUT_KIND_LOGIT);
  definition.mutable_provenance()->add_notes("a note");
  definition.mutable_provenance()->add_warnings("a warning");
  definition.mutable_provenance()->add_layers()->set_name("spikes");
  const std::string bytes = definition.SerializeAsString();
  v1::LoadNetworkResponse response;
  ASSERT_TRUE(Upload(Header("net", bytes), bytes, &response).ok());
  const v1::NetworkInfo& info = response.network();
  EXPECT_EQ(info.defaults().output_kind(), v1::OUTPUT_KIND_LOGIT);
  EXPECT_THAT(info.provenance().notes(), ::testing::ElementsAre("a note"));
  EXPECT_EQ(info.provenance().warnings_size() + info.provenance().layers_size(), 0);
  EXPECT_EQ(info.sha256(), serving::ToHex(serving::Sha256(bytes)));
}

TEST_F(LoadNetworkTest, NumbersVersionsAndRefusesOneThatExists) {
  Start();
  v1::LoadNetworkResponse response;
  ASSERT_TRUE(Load("net").ok());
  ASSERT_TRUE(Load("net", SmallMlp(), &response).ok());
  EXPECT_EQ(response.network().version(), 2);
  v1::LoadNetworkHeader header = Header("net", bytes_);
  header.set_version(2);
  const grpc::Status status = Upload(header, bytes_);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), HasSubstr("\"net\" version 2 is already loaded"));
}

TEST_F(LoadNetworkTest, ChecksTheHeaderBeforeAnythingElse) {
  config_.limits.max_upload_bytes = 5000;
  Start();
  using Header = v1::LoadNetworkHeader;
  const auto invalid = grpc::StatusCode::INVALID_ARGUMENT;
  ExpectHeaderRefused([](Header& h) { h.set_name("../x"); }, invalid,
                      "name: got \"../x\", allowed [A-Za-z0-9._-]");
  ExpectHeaderRefused([](Header& h) { h.set_name(""); }, invalid, "name: got \"\"");
  ExpectHeaderRefused([](Header& h) { h.set_name(std::string(129, 'x')); }, invalid, "name: got");
  ExpectHeaderRefused([](Header& h) { h.set_version(-1); }, invalid, "version: got -1, allowed 0..");
  ExpectHeaderRefused([](Header& h) { h.set_version(INT64_MAX); }, invalid,
                      "version: got 9223372036854775807");
  ExpectHeaderRefused([](Header& h) { h.set_mode(static_cast<v1::Mode>(9)); }, invalid,
                      "mode: got 9, allowed MODE_EXACT, MODE_FAST, MODE_INT8, MODE_REFERENCE");
  ExpectHeaderRefused([](Header& h) { h.set_sha256("short"); }, invalid, "sha256: got 5 bytes, wanted 32");
  ExpectHeaderRefused([](Header& h) { h.set_total_bytes(0); }, invalid,
                      "total_bytes: got 0, allowed 1..5000");
  ExpectHeaderRefused([](Header& h) { h.set_total_bytes(-5); }, invalid, "total_bytes: got -5");
  ExpectHeaderRefused([](Header& h) { h.set_total_bytes(5001); }, grpc::StatusCode::RESOURCE_EXHAUSTED,
                      "total_bytes: got 5001, allowed 1..5000 (--max-upload-mb)");
  EXPECT_TRUE(script_->batches().empty());
}

TEST_F(LoadNetworkTest, ReservesMemoryBeforeItTakesAnything) {
  config_.memory_budget_bytes = 100;
  Start();
  ExpectHeaderRefused([](v1::LoadNetworkHeader&) {}, grpc::StatusCode::RESOURCE_EXHAUSTED,
                      "total_bytes: the upload: needs");
}

TEST_F(LoadNetworkTest, RefusesANetworkThatDoesNotFitTheBudget) {
  script_->network_bytes = 200'000'000;
  Start();
  ExpectRefused(Load("net"), grpc::StatusCode::RESOURCE_EXHAUSTED, "the network: needs 200000000 bytes");
}

TEST_F(LoadNetworkTest, ChecksTheOrderAndSizeOfChunks) {
  Start();
  const auto invalid = grpc::StatusCode::INVALID_ARGUMENT;
  ExpectRefused(Upload(std::nullopt, bytes_), invalid, "chunk: came before the header");
  ExpectRefused(Upload(std::nullopt, ""), invalid, "header: got none");
  ExpectHeaderRefused([&](v1::LoadNetworkHeader& h) { h.set_total_bytes(h.total_bytes() + 1); }, invalid,
                      "bytes in all, wanted the");
  ExpectHeaderRefused([&](v1::LoadNetworkHeader& h) { h.set_total_bytes(10); }, invalid,
                      "that total_bytes announced");
  ExpectHeaderRefused([&](v1::LoadNetworkHeader& h) { h.set_sha256(std::string(32, 'x')); }, invalid,
                      "sha256: got 7878");
}

TEST_F(LoadNetworkTest, RefusesASecondHeaderAnEmptyChunkAndAnEmptyMessage) {
  Start();
  const auto send = [this](const std::function<void(v1::LoadNetworkRequest&)>& second) {
    grpc::ClientContext call;
    v1::LoadNetworkResponse response;
    const auto writer = networks_->LoadNetwork(&call, &response);
    v1::LoadNetworkRequest message;
    *message.mutable_header() = Header("net", bytes_);
    writer->Write(message);
    second(message);
    writer->Write(message);
    writer->WritesDone();
    return writer->Finish();
  };
  const auto invalid = grpc::StatusCode::INVALID_ARGUMENT;
  ExpectRefused(send([](v1::LoadNetworkRequest&) {}), invalid, "header: got a second one");
  ExpectRefused(send([](v1::LoadNetworkRequest& m) { m.set_chunk(""); }), invalid, "chunk: got 0 bytes");
  ExpectRefused(send([](v1::LoadNetworkRequest& m) { m.Clear(); }), invalid, "part: got none");
}

TEST_F(LoadNetworkTest, RefusesBytesThatAreNoNetwork) {
  Start();
  const std::string noise(100, '\xff');
  ExpectRefused(Upload(Header("net", noise), noise), grpc::StatusCode::INVALID_ARGUMENT,
                "not in protobuf form");
}

TEST_F(LoadNetworkTest, RefusesManySmallMessagesBeforeTheyGrow) {
  config_.limits.max_structure_bytes = 10'000;
  Start();
  std::string empty_operations;
  for (int i = 0; i < 6000; ++i) {
    empty_operations += std::string("\x12\0", 2);
  }
  ExpectRefused(Upload(Header("net", empty_operations), empty_operations, nullptr, 10'000),
                grpc::StatusCode::RESOURCE_EXHAUSTED,
                "12000 bytes besides tensor data, allowed 10000 (--max-structure-kb)");
}

TEST_F(LoadNetworkTest, ReportsWhatADefinitionCannotHold) {
  Start();
  using Network = v1::NetworkDefinition;
  ExpectNetworkRefused([](Network& n) { n.mutable_operations(2)->mutable_neuron()->mutable_gain(); },
                       "operation \"spikes\": gain: is present, but holds neither scalar nor tensor");
  ExpectNetworkRefused([](Network& n) { n.mutable_operations(2)->mutable_neuron()->mutable_bias(); },
                       "bias: is present");
  ExpectNetworkRefused(
      [](Network& n) { n.mutable_operations(2)->mutable_neuron()->mutable_initial_voltage(); },
      "initial_voltage: is present, but of no kind");
  ExpectNetworkRefused([](Network& n) { n.mutable_connections(0)->mutable_synapse(); },
                       "connection \"input\" to \"dense\": synapse is present, but of no kind");
  ExpectNetworkRefused([](Network& n) { n.mutable_probes(0)->mutable_synapse(); },
                       "probe \"output\": synapse");
  ExpectNetworkRefused([](Network& n) { n.mutable_tensors(0)->set_sha256("x"); }, "tensor \"w0\": sha256");
  ExpectNetworkRefused(
      [](Network& n) { n.mutable_defaults()->mutable_readout()->set_kind(static_cast<v1::ReadoutKind>(7)); },
      "readout.kind is 7");
  ExpectNetworkRefused(
      [](Network& n) {
        n.mutable_defaults()->add_class_labels("cat");
        n.mutable_defaults()->add_class_labels("dog");
      },
      "class_labels: got 2, wanted 1");
}

TEST_F(LoadNetworkTest, ReportsNeuronsSynapsesAndDelaysThatCannotBe) {
  Start();
  using Network = v1::NetworkDefinition;
  const auto neuron = [](Network& n) { return n.mutable_operations(2)->mutable_neuron(); };
  ExpectNetworkRefused([&](Network& n) { neuron(n)->mutable_regular_spiking()->set_amplitude(1); },
                       "operation 'spikes': base has no rate model set");
  ExpectNetworkRefused([&](Network& n) { neuron(n)->mutable_adaptive_lif()->set_tau_rc(-1); },
                       "operation 'spikes': tau_rc is -1");
  ExpectNetworkRefused([&](Network& n) { neuron(n)->mutable_adaptive_lif()->set_tau_rc(-1); },
                       "operation 'spikes': tau_n is 0");  // in the same answer
  ExpectNetworkRefused([&](Network& n) { neuron(n)->mutable_integrate_and_fire()->set_min_voltage(1); },
                       "operation 'spikes': min_voltage is 1");
  ExpectNetworkRefused(
      [](Network& n) {
        auto* filter = n.mutable_connections(2)->mutable_synapse()->mutable_linear_filter();
        filter->add_num(1);
        filter->add_den(1);
        filter->add_den(-1);
      },
      "connection 2: linear_filter is unstable");
  ExpectNetworkRefused([](Network& n) { n.mutable_connections(2)->set_delay_steps(-1); },
                       "connection 2: delay_steps is -1, wanted 0..4096");
  ExpectNetworkRefused([](Network& n) { n.mutable_probes(0)->set_delay_steps(5000); },
                       "probe 'output': delay_steps is 5000");
  ExpectNetworkRefused(
      [](Network& n) { n.mutable_probes(0)->mutable_synapse()->mutable_triangle()->set_t(9); },
      "probe 'output': triangle t is 9");
}

TEST_F(LoadNetworkTest, ReportsUnknownEnumValuesAndEmptyKinds) {
  Start();
  using Network = v1::NetworkDefinition;
  ExpectNetworkRefused([](Network& n) { n.mutable_operations(1)->clear_kind(); }, "dense");
  ExpectNetworkRefused([](Network& n) { n.mutable_operations(2)->mutable_neuron()->clear_model(); },
                       "spikes");
  ExpectNetworkRefused(
      [](Network& n) { n.mutable_probes(0)->set_quantity(static_cast<v1::ProbeQuantity>(9)); }, "quantity");
  ExpectNetworkRefused([](Network& n) { n.mutable_tensors(0)->set_data_type(static_cast<v1::DataType>(9)); },
                       "data_type");
  ExpectNetworkRefused([](Network& n) { n.set_format_version(2); }, "format_version is 2");
  ExpectNetworkRefused(
      [](Network& n) { n.mutable_operations(1)->mutable_pool()->set_kind(static_cast<v1::PoolKind>(5)); },
      "dense");
  ExpectNetworkRefused([](Network& n) { n.mutable_operations(1)->mutable_activation(); }, "dense");
}

TEST_F(LoadNetworkTest, AllViolationsComeInOneAnswer) {
  Start();
  v1::NetworkDefinition definition = EncodeNetwork(SmallMlp());
  definition.mutable_operations(2)->mutable_neuron()->mutable_gain();
  definition.mutable_operations(1)->mutable_affine()->set_weight("missing");
  definition.mutable_connections(0)->set_source("nobody");
  const std::string bytes = definition.SerializeAsString();
  const grpc::Status status = Upload(Header("net", bytes), bytes);
  EXPECT_THAT(status.error_message(), HasSubstr("gain"));
  EXPECT_THAT(status.error_message(), HasSubstr("nobody"));
}

TEST_F(LoadNetworkTest, AnAnswerTooLongForTrailersStillArrives) {
  Start();
  v1::NetworkDefinition definition = EncodeNetwork(SmallMlp());
  for (int i = 0; i < 60; ++i) {
    definition.add_connections()->set_source("nobody-" + std::to_string(i) + std::string(100, 'x'));
  }
  const std::string bytes = definition.SerializeAsString();
  const grpc::Status status = Upload(Header("net", bytes), bytes);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("nobody-0"));
  EXPECT_THAT(status.error_message(), HasSubstr("and more, too long to be sent"));
}

TEST_F(LoadNetworkTest, EveryNetworkLimitIsHeld) {
  const auto refuse = [this](std::int64_t engine::NetworkLimits::*limit, std::int64_t value) {
    config_.limits.network = {};
    config_.limits.network.*limit = value;
    Start();
    ExpectRefused(Load("net"), grpc::StatusCode::RESOURCE_EXHAUSTED, std::to_string(value));
    Stop();
  };
  refuse(&engine::NetworkLimits::max_operations, 3);
  refuse(&engine::NetworkLimits::max_connections, 2);
  refuse(&engine::NetworkLimits::max_probes, 0);
  refuse(&engine::NetworkLimits::max_dimension, 2);
  refuse(&engine::NetworkLimits::max_elements, 2);
  refuse(&engine::NetworkLimits::max_neurons, 2);
  refuse(&engine::NetworkLimits::max_parameters, 11);
  refuse(&engine::NetworkLimits::max_synapses, 5);
}

TEST_F(LoadNetworkTest, BoundsUploadsAtTheSameTime) {
  config_.limits.max_uploads = 1;
  Start();
  grpc::ClientContext call;
  v1::LoadNetworkResponse response;
  const auto first = networks_->LoadNetwork(&call, &response);
  v1::LoadNetworkRequest message;
  *message.mutable_header() = Header("first", bytes_);
  ASSERT_TRUE(first->Write(message));
  ASSERT_TRUE(Eventually([this] { return !server().registry().List().empty(); }));
  const grpc::Status status = Load("net");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("uploads: 1 are under way, allowed 1"));
  message.set_chunk(bytes_);
  ASSERT_TRUE(first->Write(message));
  first->WritesDone();
  EXPECT_TRUE(first->Finish().ok());
  EXPECT_TRUE(Eventually([this] { return Load("net").ok(); }));
}

TEST_F(LoadNetworkTest, AnUploadThatStopsSendingIsCancelled) {
  config_.limits.upload_idle_seconds = 0;  // the next look at it is one too late
  Start();
  grpc::ClientContext call;
  v1::LoadNetworkResponse response;
  const auto writer = networks_->LoadNetwork(&call, &response);
  v1::LoadNetworkRequest message;
  *message.mutable_header() = Header("net", bytes_);
  writer->Write(message);
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(status.error_message(), "the upload sent nothing for more than 0 s (--upload-idle-seconds)");
  EXPECT_TRUE(Eventually([this] { return server().registry().List().empty(); }));
  EXPECT_TRUE(Idle(0));
  EXPECT_TRUE(Eventually([this] { return Log().find("the upload sent nothing") != std::string::npos; }));
}

TEST_F(LoadNetworkTest, AnUploadThatSendsNextToNothingIsCancelled) {
  config_.limits.upload_idle_seconds = 3;
  Start();
  grpc::ClientContext call;
  v1::LoadNetworkResponse response;
  const auto writer = networks_->LoadNetwork(&call, &response);
  v1::LoadNetworkRequest message;
  *message.mutable_header() = Header("net", bytes_);
  message.mutable_header()->set_total_bytes(10'000'000);
  ASSERT_TRUE(writer->Write(message));
  message.set_chunk("x");
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (writer->Write(message) && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("bytes, wanted 65536 a second after the first 3 s"));
  EXPECT_TRUE(Idle(0));
}

TEST_F(LoadNetworkTest, AClientKilledMidUploadLeavesNothing) {
  Start();
  {
    grpc::ClientContext call;
    v1::LoadNetworkResponse response;
    const auto writer = networks_->LoadNetwork(&call, &response);
    v1::LoadNetworkRequest message;
    *message.mutable_header() = Header("net", bytes_);
    ASSERT_TRUE(writer->Write(message));
    message.set_chunk(bytes_.substr(0, 50));
    ASSERT_TRUE(writer->Write(message));
    ASSERT_TRUE(Eventually([this] { return !server().registry().List().empty(); }));
    EXPECT_GT(server().budget().used_bytes(), 0);
    call.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(Eventually([this] { return server().registry().List().empty(); }));
  EXPECT_TRUE(Idle(0));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "networks/net"));
  EXPECT_TRUE(Load("net").ok());
}

}  // namespace
}  // namespace spikeserve::testing
