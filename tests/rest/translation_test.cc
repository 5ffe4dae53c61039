// Bodies to requests and answers to bodies, without a server.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/rest/translate/base64.h"
#include "server/rest/translate/decode_infer.h"
#include "server/rest/translate/encode_infer.h"
#include "server/rest/translate/encode_message.h"
#include "server/rest/translate/predict.h"

namespace spikeserve::rest {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

template <typename T>
std::string Raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string Refusal(const std::string& body, std::optional<std::size_t> json = std::nullopt) {
  const auto decoded = DecodeInfer(body, json);
  EXPECT_FALSE(decoded.ok()) << body;
  EXPECT_EQ(decoded.status().code(), StatusCode::kInvalidArgument);
  return decoded.status().message();
}

std::string WithInput(const std::string& rest) {
  return R"({"inputs": [{"name": "x", "shape": [2, 2], )" + rest + "}]}";
}

TEST(DecodeInfer, MakesRawContentsOfNumbers) {
  const auto body = DecodeInfer(
      R"({"id": "7", "parameters": {"steps": 10, "dt": 0.5, "readout": "last", "flag": true, "none": null,
          "seed": 18446744073709551615},
          "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[0.1, 2], [3, 4]]},
                     {"name": "y", "shape": [3], "datatype": "UINT8", "data": [0, 255, 1]},
                     {"name": "z", "shape": [1], "datatype": "FP64", "data": [0.1]}],
          "outputs": [{"name": "o", "parameters": {"classification": 3, "binary_data": true}}]})",
      std::nullopt);
  ASSERT_TRUE(body.ok()) << body.status().message();
  const inference::ModelInferRequest& request = body.value().request;
  EXPECT_EQ(request.id(), "7");
  EXPECT_EQ(request.parameters().at("steps").int64_param(), 10);
  EXPECT_EQ(request.parameters().at("dt").double_param(), 0.5);
  EXPECT_EQ(request.parameters().at("readout").string_param(), "last");
  EXPECT_TRUE(request.parameters().at("flag").bool_param());
  EXPECT_EQ(request.parameters().at("seed").uint64_param(), UINT64_MAX);
  EXPECT_EQ(request.parameters().count("none"), 0U);
  ASSERT_EQ(request.raw_input_contents_size(), 3);
  EXPECT_EQ(request.raw_input_contents(0), Raw<float>({0.1F, 2, 3, 4}));
  EXPECT_EQ(request.raw_input_contents(1), Raw<std::uint8_t>({0, 255, 1}));
  EXPECT_EQ(request.raw_input_contents(2), Raw<double>({0.1}));
  EXPECT_EQ(request.outputs(0).parameters().at("classification").int64_param(), 3);
  EXPECT_EQ(request.outputs(0).parameters().count("binary_data"), 0U);
  EXPECT_TRUE(body.value().form.IsBinary("o"));
  EXPECT_FALSE(body.value().form.IsBinary("other"));
}

TEST(DecodeInfer, TakesBytesBehindTheJson) {
  const std::string json =
      R"({"parameters": {"binary_data_output": true},
          "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
                     {"name": "y", "shape": [1], "datatype": "FP32", "data": [5]},
                     {"name": "z", "shape": [2], "datatype": "UINT8", "parameters": {"binary_data_size": 2}}],
          "outputs": [{"name": "o", "parameters": {"binary_data": false}}]})";
  const std::string bytes = Raw<float>({1, 2}) + "ab";
  const auto body = DecodeInfer(json + bytes, json.size());
  ASSERT_TRUE(body.ok()) << body.status().message();
  const inference::ModelInferRequest& request = body.value().request;
  EXPECT_EQ(request.raw_input_contents(0), Raw<float>({1, 2}));
  EXPECT_EQ(request.raw_input_contents(1), Raw<float>({5}));
  EXPECT_EQ(request.raw_input_contents(2), "ab");
  EXPECT_TRUE(request.inputs(0).parameters().empty());
  EXPECT_TRUE(request.parameters().empty());
  EXPECT_TRUE(body.value().form.IsBinary("p"));
  EXPECT_FALSE(body.value().form.IsBinary("o"));
  EXPECT_THAT(Refusal(json + bytes + "c", json.size()), HasSubstr("1 bytes after the JSON"));
  EXPECT_THAT(Refusal(json + "1234567", json.size()), HasSubstr("got 8, wanted 0 to the 7 bytes"));
  EXPECT_THAT(Refusal(json, json.size() + 1), HasSubstr("Inference-Header-Content-Length is"));
}

TEST(DecodeInfer, CutsOffNothing) {
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "UINT8", "data": [1, 2, 3, 256])")),
              HasSubstr("inputs[0].data: element 3 is 256, wanted a whole number of 0 to 255"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "UINT8", "data": [1, 2, 3, -1])")), HasSubstr("is -1"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "UINT8", "data": [1, 2, 3, 1.5])")), HasSubstr("is 1.5"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "FP32", "data": [1, 2, 3, 1e39])")),
              HasSubstr("is 1e+39, wanted a number that float32 holds"));
}

TEST(DecodeInfer, NamesTheMemberThatIsWrong) {
  EXPECT_THAT(Refusal("[]"), HasSubstr("wanted an object, got a list of numbers"));
  EXPECT_THAT(Refusal(R"({"input": []})"), HasSubstr("member \"input\" is not known, wanted id, parameters"));
  EXPECT_THAT(Refusal(R"({"inputs": {}})"), HasSubstr("inputs: wanted a list of objects, got an object"));
  EXPECT_THAT(Refusal(R"({"inputs": ["x"]})"), HasSubstr("inputs[0]: wanted an object, got a string"));
  EXPECT_THAT(Refusal(R"({"inputs": [{}]})"), HasSubstr("inputs[0].name: wanted a string, got nothing"));
  EXPECT_THAT(Refusal(R"({"id": 3})"), HasSubstr("id: wanted a string, got a number"));
  EXPECT_THAT(Refusal(R"({"parameters": {"a": {}}})"), HasSubstr("parameters.a: wanted a number, a string"));
  EXPECT_THAT(Refusal(R"({"parameters": {"binary_data_output": 1}})"), HasSubstr("wanted true or false"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "FP16", "data": [1, 2, 3, 4])")),
              HasSubstr("datatype is \"FP16\", wanted FP32, FP64 or UINT8"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "FP32")")),
              HasSubstr("inputs[0].data: wanted a list of numbers"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "FP32", "data": [1, 2, 3])")),
              HasSubstr("got [3] numbers, wanted the shape [2, 2]"));
  EXPECT_THAT(Refusal(WithInput(R"("datatype": "FP32", "data": [[1, 2, 3, 4]])")),
              HasSubstr("got [1, 4] numbers, wanted the shape [2, 2]"));
  EXPECT_THAT(Refusal(R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1.5], "data": [1]}]})"),
              HasSubstr("inputs[0].shape: wanted whole numbers"));
}

inference::ModelInferResponse Answer(const std::string& datatype, const std::vector<std::int64_t>& shape,
                                     const std::string& raw) {
  inference::ModelInferResponse response;
  response.set_model_name("m");
  response.set_model_version("2");
  auto& output = *response.add_outputs();
  output.set_name("o");
  output.set_datatype(datatype);
  output.mutable_shape()->Add(shape.begin(), shape.end());
  response.add_raw_output_contents(raw);
  return response;
}

Json Encoded(const inference::ModelInferResponse& response) {
  const auto answer = EncodeInfer(response, {});
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  EXPECT_LE(static_cast<std::int64_t>(answer.value().body.size()), EncodeInferBytes(response, {}));
  return Json::parse(answer.value().body);
}

TEST(EncodeInfer, WritesNumbersThatReadBackTheSame) {
  const std::vector<float> values = {0.1F, 1.0F / 3, 3.4028235e38F, 1e-45F, -0.0F, 16777217.0F, 1e20F};
  const Json json = Encoded(Answer("FP32", {7}, Raw(values)));
  EXPECT_EQ(json["model_name"], "m");
  EXPECT_EQ(json["model_version"], "2");
  EXPECT_FALSE(json.contains("id"));
  EXPECT_EQ(json["outputs"][0]["shape"], Json::parse("[7]"));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto back = static_cast<float>(json["outputs"][0]["data"][i].get<double>());
    EXPECT_EQ(std::memcmp(&back, &values[i], sizeof back), 0) << values[i];
  }
  EXPECT_EQ(Encoded(Answer("FP64", {1}, Raw<double>({0.1})))["outputs"][0]["data"][0], 0.1);
  EXPECT_EQ(Encoded(Answer("INT64", {1}, Raw<std::int64_t>({INT64_MIN})))["outputs"][0]["data"][0],
            INT64_MIN);
  EXPECT_EQ(Encoded(Answer("UINT8", {1}, "\xff"))["outputs"][0]["data"][0], 255);
}

TEST(EncodeInfer, WritesWhatIsNoNumberAsText) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Json json = Encoded(Answer("FP32", {3}, Raw<float>({infinity, -infinity, NAN})));
  EXPECT_EQ(json["outputs"][0]["data"], Json::parse(R"(["Infinity", "-Infinity", "NaN"])"));
}

TEST(EncodeInfer, WritesTextsEscaped) {
  using namespace std::string_literals;
  const Json json = Encoded(Answer("BYTES", {2}, "\3\0\0\0a\"\n\1\0\0\0\xff"s));
  EXPECT_EQ(json["outputs"][0]["data"][0], "a\"\n");
  EXPECT_EQ(json["outputs"][0]["data"][1], "\xef\xbf\xbd");
  EXPECT_FALSE(EncodeInfer(Answer("BYTES", {1}, "\3\0\0\0a"s), {}).ok());
  EXPECT_FALSE(EncodeInfer(Answer("FP32", {2}, "abcd"), {}).ok());
}

TEST(EncodeInfer, PutsBytesBehindTheJson) {
  auto response = Answer("FP32", {2}, Raw<float>({1, 2}));
  response.set_id("x");
  (*response.mutable_parameters())["steps"].set_int64_param(5);
  OutputForm form;
  form.as_binary = {"o"};
  const auto answer = EncodeInfer(response, form);
  ASSERT_TRUE(answer.ok());
  const std::size_t at = answer.value().header_bytes.value();
  EXPECT_EQ(answer.value().body.substr(at), Raw<float>({1, 2}));
  const Json json = Json::parse(answer.value().body.substr(0, at));
  EXPECT_EQ(json["id"], "x");
  EXPECT_EQ(json["parameters"]["steps"], 5);
  EXPECT_EQ(json["outputs"][0]["parameters"]["binary_data_size"], 8);
  EXPECT_FALSE(json["outputs"][0].contains("data"));
}

TEST(EncodeMessage, WritesWholeNumbersAsNumbersAndEnumsByName) {
  inference::ModelConfig config;
  config.set_name("m");
  config.add_input()->add_dims(-1);
  config.mutable_input(0)->set_data_type(inference::TYPE_FP32);
  (*config.mutable_parameters())["steps"].set_string_value("10");
  const Json json = Json::parse(EncodeMessage(config));
  EXPECT_EQ(json["input"][0]["dims"], Json::parse("[-1]"));
  EXPECT_EQ(json["input"][0]["data_type"], "TYPE_FP32");
  EXPECT_EQ(json["max_batch_size"], 0);
  EXPECT_EQ(json["parameters"]["steps"]["string_value"], "10");
  EXPECT_FALSE(json.contains("dynamic_batching"));
}

inference::ModelMetadataResponse Metadata(const std::vector<std::string>& inputs) {
  inference::ModelMetadataResponse metadata;
  for (const std::string& name : inputs) {
    metadata.add_inputs()->set_name(name);
  }
  return metadata;
}

TEST(Predict, MakesABatchOfNestedSamples) {
  const auto request =
      DecodePredict(R"({"instances": [[[1, 2]], [[3, 4]]], "parameters": {"steps": 3}})", Metadata({"x"}));
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request.value().inputs(0).name(), "x");
  EXPECT_THAT(request.value().inputs(0).shape(), ::testing::ElementsAre(2, 1, 2));
  EXPECT_EQ(request.value().raw_input_contents(0), Raw<float>({1, 2, 3, 4}));
  EXPECT_EQ(request.value().parameters().at("steps").int64_param(), 3);
}

TEST(Predict, MakesBatchesOfNamedSamples) {
  const auto request = DecodePredict(R"({"instances": [{"a": [1, 2], "b": [3]}, {"b": [6], "a": [4, 5]}]})",
                                     Metadata({"a", "b"}));
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_THAT(request.value().inputs(0).shape(), ::testing::ElementsAre(2, 2));
  EXPECT_EQ(request.value().raw_input_contents(0), Raw<float>({1, 2, 4, 5}));
  EXPECT_THAT(request.value().inputs(1).shape(), ::testing::ElementsAre(2, 1));
  EXPECT_EQ(request.value().raw_input_contents(1), Raw<float>({3, 6}));
}

TEST(Predict, NamesTheSampleThatIsWrong) {
  const auto refusal = [](const std::string& body, const std::vector<std::string>& inputs) {
    return DecodePredict(body, Metadata(inputs)).status().message();
  };
  EXPECT_THAT(refusal("{}", {"x"}), HasSubstr("instances: wanted a list of samples, got nothing"));
  EXPECT_THAT(refusal(R"({"instances": [[1]]})", {"a", "b"}),
              HasSubstr("objects with the inputs by name: a, b"));
  EXPECT_THAT(refusal(R"({"instances": [{"a": [1]}, {"a": [1, 2]}]})", {"a"}), HasSubstr("instances[1].a"));
  EXPECT_THAT(refusal(R"({"instances": [{"a": [1]}, {}]})", {"a"}), HasSubstr("instances[1].a: wanted"));
  EXPECT_THAT(refusal(R"({"instances": [{"c": [1]}]})", {"a"}), HasSubstr("\"c\" is no input, wanted a"));
  EXPECT_THAT(refusal(R"({"instances": ["x"]})", {"a"}), HasSubstr("instances[0]: wanted an object"));
  EXPECT_THAT(refusal(R"({"instances": 5})", {"a"}), HasSubstr("wanted a list of samples, got a number"));
}

TEST(Predict, NestsWhatEachSampleGot) {
  auto response = Answer("FP32", {2, 2, 1}, Raw<float>({1, 2, 3, 4}));
  auto json = EncodePredict(response);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json.value(), R"({"predictions":[[[1],[2]],[[3],[4]]]})");
  auto& output = *response.add_outputs();
  output.set_name("c");
  output.set_datatype("INT32");
  output.add_shape(2);
  response.add_raw_output_contents(Raw<std::int32_t>({7, 8}));
  json = EncodePredict(response);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json.value(), R"({"predictions":[{"o":[[1],[2]],"c":7},{"o":[[3],[4]],"c":8}]})");
  EXPECT_LE(static_cast<std::int64_t>(json.value().size()), EncodePredictBytes(response));
}

TEST(Base64, DecodesWhatIsWholeAndNothingElse) {
  using namespace std::string_literals;
  EXPECT_EQ(DecodeBase64(""), "");
  EXPECT_EQ(DecodeBase64("YQ=="), "a");
  EXPECT_EQ(DecodeBase64("YWI="), "ab");
  EXPECT_EQ(DecodeBase64("YWJj"), "abc");
  EXPECT_EQ(DecodeBase64("AAAA"), "\0\0\0"s);
  for (const char* wrong : {"YQ", "Y===", "====", "YQ==YQ==", "Y Q=", "YQ=\n", "Y!==", "YWJ-", "YW=j"}) {
    EXPECT_EQ(DecodeBase64(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace spikeserve::rest
