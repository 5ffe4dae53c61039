// The Open Inference Protocol: what a request may say, what is answered, and every refusal.

#include "tests/rpc/infer_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelInferTest : public InferTest {
 protected:
  void SetUp() override {
    Start();
    ASSERT_TRUE(LoadLabelled("net").ok());
  }
  void ExpectRefused(const std::function<void(ModelInferRequest&)>& change, const std::string& text,
                     grpc::StatusCode code = grpc::StatusCode::INVALID_ARGUMENT) {
    ModelInferRequest request = RawRequest({1, 2});
    change(request);
    const grpc::Status status = Infer(request);
    EXPECT_EQ(status.error_code(), code) << text;
    EXPECT_THAT(status.error_message(), HasSubstr(text));
  }
};

TEST_F(ModelInferTest, AnswersTheOutputProbesAsOurOwnServiceDoes) {
  v1::SimulateRequest native = Request("net", {1.5F, 2.5F});
  native.clear_steps();
  v1::SimulateResponse wanted;
  ASSERT_TRUE(Simulate(native, &wanted).ok());
  ModelInferRequest request = RawRequest({1.5F, 2.5F});
  request.set_id("seven");
  ModelInferResponse response;
  const grpc::Status status = Infer(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.model_name(), "net");
  EXPECT_EQ(response.model_version(), "1");
  EXPECT_EQ(response.id(), "seven");
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_EQ(response.outputs(0).name(), "output");
  EXPECT_EQ(response.outputs(0).datatype(), "FP32");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 3));
  EXPECT_FALSE(response.outputs(0).has_contents());
  ASSERT_EQ(response.raw_output_contents_size(), 1);
  EXPECT_EQ(response.raw_output_contents(0), wanted.probes(0).outputs().data());
  EXPECT_EQ(response.parameters().at("batch_size").int64_param(), 2);
  EXPECT_GE(response.parameters().at("compute_us").int64_param(), 0);
}

TEST_F(ModelInferTest, TakesTypedValuesOfEachDatatype) {
  ModelInferResponse wanted;
  ASSERT_TRUE(Infer(RawRequest({7, 9}), &wanted).ok());
  const std::map<std::string, std::function<void(inference::InferTensorContents&, int)>> add = {
      {"FP32", [](auto& contents, int value) { contents.add_fp32_contents(static_cast<float>(value)); }},
      {"FP64", [](auto& contents, int value) { contents.add_fp64_contents(value); }},
      {"UINT8",
       [](auto& contents, int value) { contents.add_uint_contents(static_cast<std::uint32_t>(value)); }}};
  for (const auto& [datatype, append] : add) {
    ModelInferRequest request = RawRequest({7, 9});
    request.clear_raw_input_contents();
    request.mutable_inputs(0)->set_datatype(datatype);
    for (const int value : {7, 0, 9, 0}) {
      append(*request.mutable_inputs(0)->mutable_contents(), value);
    }
    ModelInferResponse response;
    const grpc::Status status = Infer(request, &response);
    ASSERT_TRUE(status.ok()) << datatype << ": " << status.error_message();
    // The fake device reads the first bytes as a float32, which only the first of these is.
    if (datatype == "FP32") {
      EXPECT_EQ(response.raw_output_contents(0), wanted.raw_output_contents(0));
    }
  }
}

TEST_F(ModelInferTest, AnswersClassesMarginsAndStepsOnRequest) {
  ModelInferRequest request = RawRequest({1, 2});
  for (const char* name : {"classes", "margins", "steps_used", "spikes"}) {
    request.add_outputs()->set_name(name);
  }
  (*request.mutable_parameters())["steps"].set_int64_param(12);
  ModelInferResponse response;
  const grpc::Status status = Infer(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.outputs_size(), 4);
  EXPECT_EQ(response.outputs(0).datatype(), "INT64");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2));
  EXPECT_THAT(Values<std::int64_t>(response, 0), ElementsAre(0, 0));
  EXPECT_EQ(response.outputs(1).datatype(), "FP64");
  EXPECT_THAT(Values<double>(response, 1), ElementsAre(0, 0));
  EXPECT_THAT(Values<std::int64_t>(response, 2), ElementsAre(12, 12));
  EXPECT_EQ(response.outputs(3).name(), "spikes");
  EXPECT_THAT(response.outputs(3).shape(), ElementsAre(2, 3));
}

TEST_F(ModelInferTest, AnswersTheBestClassesAsText) {
  ModelInferRequest request = RawRequest({1.5F});
  request.add_outputs()->set_name("output");
  (*request.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(2);
  ModelInferResponse response;
  ASSERT_TRUE(Infer(request, &response).ok());
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 2));
  EXPECT_EQ(response.raw_output_contents(0),
            std::string("\x09\0\0\0", 4) + "1.5:0:cat" + std::string("\x09\0\0\0", 4) + "1.5:1:dog");
  (*request.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(1000);
  ASSERT_TRUE(Infer(request, &response).ok());
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 3));
}

// Each parameter against the field of our own protocol that it stands for.
TEST_F(ModelInferTest, PassesOnTheSettingsOfARun) {
  ModelInferRequest request = RawRequest({1});
  auto& parameters = *request.mutable_parameters();
  parameters["steps"].set_string_param("30");  // some tools send all as text
  parameters["early_exit_margin"].set_double_param(1e9);
  parameters["early_exit_min_steps"].set_int64_param(5);
  parameters["early_exit_check_every"].set_uint64_param(5);
  parameters["readout"].set_string_param("mean");
  parameters["skip_steps"].set_int64_param(2);
  parameters["dt"].set_double_param(0.002);
  parameters["seed"].set_string_param("18446744073709551615");
  parameters["first_sample"].set_double_param(3);
  parameters["encoding"].set_string_param("poisson");
  parameters["max_rate_hz"].set_int64_param(100);
  parameters["priority"].set_uint64_param(1);
  parameters["timeout"].set_int64_param(20'000'000);
  parameters["triton_enable_empty_final_response"].set_bool_param(false);
  parameters["sequence_id"].set_int64_param(0);
  parameters["sequence_start"].set_bool_param(false);
  request.add_outputs()->set_name("steps_used");
  ModelInferResponse response;
  const grpc::Status status = Infer(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.outputs_size(), 1);
}

TEST_F(ModelInferTest, RefusesWhatIsWrongWithAParameter) {
  const auto with = [](const std::string& name, auto set) {
    return [=](ModelInferRequest& request) { set((*request.mutable_parameters())[name]); };
  };
  ExpectRefused(with("stepz", [](auto& p) { p.set_int64_param(1); }),
                R"(parameters: got "stepz", allowed dt)");
  ExpectRefused(with("triton_x", [](auto& p) { p.set_int64_param(1); }), R"(parameters: got "triton_x")");
  ExpectRefused(with("steps", [](auto& p) { p.set_int64_param(0); }),
                R"(parameters["steps"]: got 0, allowed a whole number from 1)");
  ExpectRefused(with("steps", [](auto& p) { p.set_double_param(1.5); }), R"(parameters["steps"]: got 1.5)");
  ExpectRefused(with("steps", [](auto& p) { p.set_string_param("12x"); }), R"(got "12x")");
  ExpectRefused(with("steps", [](auto&) {}), R"(parameters["steps"]: got no value)");
  ExpectRefused(with("steps", [](auto& p) { p.set_int64_param(1'000'000); }), "steps: got 1000000",
                grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectRefused(with("seed", [](auto& p) { p.set_int64_param(-1); }), R"(parameters["seed"]: got -1)");
  ExpectRefused(with("readout", [](auto& p) { p.set_string_param("max"); }),
                R"(allowed one of the texts "mean" "last" "corrected_mean")");
  ExpectRefused(with("skip_steps", [](auto& p) { p.set_int64_param(1); }), R"(wanted "readout" beside it)");
  ExpectRefused(with("early_exit_min_steps", [](auto& p) { p.set_int64_param(1); }),
                R"(wanted "early_exit_margin" beside it)");
  ExpectRefused(with("max_rate_hz", [](auto& p) { p.set_int64_param(1); }), R"(wanted "encoding" beside it)");
  ExpectRefused(with("priority", [](auto& p) { p.set_int64_param(4); }), "from 0 to 3");
  ExpectRefused(with("sequence_id", [](auto& p) { p.set_int64_param(4); }), "SimulationService");
  ExpectRefused(with("report_every", [](auto& p) { p.set_int64_param(4); }), "use ModelStreamInfer");
  ExpectRefused(with("dt", [](auto& p) { p.set_string_param("inf"); }), "a finite number");
}

TEST_F(ModelInferTest, RefusesWhatIsWrongWithATensor) {
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->set_datatype("INT32"); },
                R"(input "input": datatype: got "INT32", allowed FP32, FP64, UINT8)");
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->set_name("other"); },
                R"(inputs[0].name: got "other", allowed: "input")");
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->set_shape(1, 3); }, "shape: got [2, 3]");
  ExpectRefused([](auto& r) { r.mutable_raw_input_contents(0)->pop_back(); },
                "data: got 15 bytes, wanted 16");
  ExpectRefused([](auto& r) { r.add_raw_input_contents("x"); },
                "raw_input_contents: got 2 tensors, wanted 1");
  ExpectRefused([](auto& r) { r.add_inputs(); }, "inputs: got 2 tensors, wanted 1");
  ExpectRefused([](auto& r) { r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1); },
                "got typed values beside raw_input_contents");
  ExpectRefused(
      [](auto& r) {
        r.clear_raw_input_contents();
        r.mutable_inputs(0)->mutable_contents()->add_int_contents(1);
      },
      "got values in int_contents, wanted fp32_contents for datatype FP32");
  ExpectRefused(
      [](auto& r) {
        r.clear_raw_input_contents();
        r.mutable_inputs(0)->set_datatype("UINT8");
        r.mutable_inputs(0)->mutable_contents()->add_uint_contents(256);
      },
      "uint_contents: got 256 at index 0, allowed 0..255");
  ExpectRefused(
      [](auto& r) {
        (*r.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("x");
      },
      "this server reads no shared memory");
}

TEST_F(ModelInferTest, TakesTheSizeOfRawBytesWhereItIsTrue) {
  const auto set_size = [](ModelInferRequest& request, std::int64_t bytes) {
    (*request.mutable_inputs(0)->mutable_parameters())["binary_data_size"].set_int64_param(bytes);
  };
  ModelInferRequest request = RawRequest({1, 2});
  set_size(request, 16);
  EXPECT_TRUE(Infer(request).ok());
  ExpectRefused([&](auto& r) { set_size(r, 15); },
                "parameters[\"binary_data_size\"]: got 15, but raw_input_contents has 16 bytes for it");
  ExpectRefused(
      [&](auto& r) {
        r.clear_raw_input_contents();
        set_size(r, 16);
      },
      "parameters[\"binary_data_size\"]: got 16, allowed none beside typed values");
}

TEST_F(ModelInferTest, RefusesWhatIsWrongWithAName) {
  ExpectRefused([](auto& r) { r.set_model_name("../x"); },
                R"(model_name: got "../x", allowed [A-Za-z0-9._-])");
  ExpectRefused([](auto& r) { r.set_model_name("nothing"); }, R"(network "nothing" is not loaded)",
                grpc::StatusCode::NOT_FOUND);
  ExpectRefused([](auto& r) { r.set_model_version("2"); }, "version 2 is not loaded",
                grpc::StatusCode::NOT_FOUND);
  for (const char* version : {"0", "-1", "one", "1.0", "99999999999999999999"}) {
    ExpectRefused([&](auto& r) { r.set_model_version(version); },
                  std::string("model_version: got \"") + version + '"');
  }
  ExpectRefused(
      [](auto& r) { r.add_outputs()->set_name("none"); },
      R"(outputs[0].name: got "none", allowed: "spikes", "output", "classes", "margins", "steps_used")");
  ExpectRefused(
      [](auto& r) {
        r.add_outputs()->set_name("classes");
        r.add_outputs()->set_name("classes");
      },
      R"(outputs[1]: "classes" is named twice)");
}

TEST_F(ModelInferTest, WithoutAnOutputProbeOthersAreAnsweredByName) {
  engine::NetworkDefinition network = ThreeClasses();
  network.probes.pop_back();
  ASSERT_TRUE(Load("spikes", network).ok());
  const auto ask = [](const char* output) {
    ModelInferRequest request = RawRequest({1, 2});
    request.set_model_name("spikes");
    (*request.mutable_parameters())["steps"].set_int64_param(12);
    if (output != nullptr) {
      request.add_outputs()->set_name(output);
    }
    return request;
  };
  ModelInferResponse response;
  ASSERT_TRUE(Infer(ask("steps_used"), &response).ok());
  ASSERT_EQ(response.outputs_size(), 1);
  EXPECT_THAT(Values<std::int64_t>(response, 0), ElementsAre(12, 12));
  ASSERT_TRUE(Infer(ask("spikes"), &response).ok());
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 3));
  EXPECT_THAT(Infer(ask("classes")).error_message(),
              HasSubstr(R"(outputs[0].name: got "classes", allowed: "spikes", "steps_used")"));
  EXPECT_THAT(Infer(ask(nullptr)).error_message(),
              HasSubstr(R"(outputs: got none, and the network has no OUTPUT probe to answer by default)"));
}

// It comes back with the answer, and would be kept until that is read.
TEST_F(ModelInferTest, RefusesALongId) {
  ExpectRefused([](auto& r) { r.set_id(std::string(1025, 'x')); }, "id: got 1025 bytes, allowed 1024");
  ModelInferRequest request = RawRequest({1});
  request.set_id(std::string(1024, 'x'));
  EXPECT_TRUE(Infer(request).ok());
}

TEST_F(ModelInferTest, ATimeoutIsADeadline) {
  script_->on_advance = [](std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return Status();
  };
  ModelInferRequest request = RawRequest({1});
  (*request.mutable_parameters())["steps"].set_int64_param(10'000);
  (*request.mutable_parameters())["timeout"].set_int64_param(1'000);
  EXPECT_EQ(Infer(request).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Idle(resident_));
}

TEST_F(ModelInferTest, SharesARunWithOurOwnService) {
  std::atomic<bool> released = false;
  script_->on_advance = [&](std::int64_t) {
    // Holds the only worker until both requests wait behind this one.
    released = released || Eventually([&] { return server().batcher().queued_samples() == 3; });
    return Status();
  };
  v1::SimulateRequest native = Request("net", {1, 2});
  native.set_steps(20);
  ModelInferRequest oip = RawRequest({3});
  std::thread first([&] { EXPECT_TRUE(Infer(RawRequest({9})).ok()); });
  ASSERT_TRUE(Eventually([this] { return script_->simulations == 1; }));
  std::thread second([&] { EXPECT_TRUE(Simulate(native).ok()); });
  std::thread third([&] {
    ModelInferResponse response;
    EXPECT_TRUE(Infer(oip, &response).ok());
    EXPECT_EQ(response.parameters().at("batch_size").int64_param(), 3);
  });
  first.join();
  second.join();
  third.join();
}

}  // namespace
}  // namespace spikeserve::testing
