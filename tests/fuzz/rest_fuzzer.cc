// Bodies of HTTP: JSON, and after a zero byte what follows it as bytes. Through the way into a request, and
// back as the answer that a network of identity would give.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "server/rest/translate/decode_infer.h"
#include "server/rest/translate/encode_infer.h"
#include "server/rest/translate/encode_message.h"
#include "server/rest/translate/predict.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

void RequireRefusal(const Status& status) {
  Require(status.code() == StatusCode::kInvalidArgument, "a body that cannot be read is the client's fault");
  Require(!status.message().empty() && status.message().size() < 2'000, "a refusal says why, in short");
}

std::int64_t RawBytes(const inference::ModelInferRequest& request) {
  std::int64_t bytes = 0;
  for (const std::string& raw : request.raw_input_contents()) {
    bytes += static_cast<std::int64_t>(raw.size());
  }
  return bytes;
}

// Each input as an output of the same values.
inference::ModelInferResponse Echo(const inference::ModelInferRequest& request) {
  inference::ModelInferResponse response;
  response.set_id(request.id());
  for (const auto& input : request.inputs()) {
    auto& output = *response.add_outputs();
    output.set_name(input.name());
    output.set_datatype(input.datatype());
    *output.mutable_shape() = input.shape();
  }
  *response.mutable_raw_output_contents() = request.raw_input_contents();
  return response;
}

// What the client said the bytes are, the server of gRPC has yet to compare with the shape: INTERNAL here.
void CheckInfer(std::string_view body, std::optional<std::size_t> json_bytes) {
  const auto decoded = rest::DecodeInfer(body, json_bytes);
  if (!decoded.ok()) {
    RequireRefusal(decoded.status());
    return;
  }
  const inference::ModelInferRequest& request = decoded.value().request;
  Require(request.inputs_size() == request.raw_input_contents_size(), "each input has its bytes");
  Require(RawBytes(request) <= rest::DecodeInferBytes(body, json_bytes), "tensors fit what was reserved");
  Require(nlohmann::json::accept(rest::EncodeMessage(request)), "a message becomes JSON");
  const inference::ModelInferResponse response = Echo(request);
  const auto answer = rest::EncodeInfer(response, decoded.value().form);
  if (!answer.ok()) {
    return;
  }
  const std::string& text = answer.value().body;
  Require(static_cast<std::int64_t>(text.size()) <= rest::EncodeInferBytes(response, decoded.value().form),
          "an answer fits what was reserved");
  Require(nlohmann::json::accept(text.substr(0, answer.value().header_bytes.value_or(text.size()))),
          "an answer is JSON");
}

void CheckPredict(std::string_view body, const inference::ModelMetadataResponse& metadata) {
  const auto decoded = rest::DecodePredict(body, metadata);
  if (!decoded.ok()) {
    RequireRefusal(decoded.status());
    return;
  }
  Require(RawBytes(decoded.value()) <= rest::DecodePredictBytes(body), "tensors fit what was reserved");
  const inference::ModelInferResponse response = Echo(decoded.value());
  const auto answer = rest::EncodePredict(response);
  Require(answer.ok(), "samples that were nested alike can be nested again");
  Require(static_cast<std::int64_t>(answer.value().size()) <= rest::EncodePredictBytes(response),
          "predictions fit what was reserved");
  Require(nlohmann::json::accept(answer.value()), "predictions are JSON");
}

void Check(std::string_view input) {
  const std::size_t zero = input.find('\0');
  if (zero == std::string_view::npos) {
    CheckInfer(input, std::nullopt);
  } else {
    std::string body(input);
    body.erase(zero, 1);
    CheckInfer(body, zero);
  }
  inference::ModelMetadataResponse metadata;
  metadata.add_inputs()->set_name("input");
  CheckPredict(input, metadata);
  metadata.add_inputs()->set_name("other");
  CheckPredict(input, metadata);
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spikeserve::fuzz::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
