// The bytes of a ModelInferRequest of the Open Inference Protocol, as simulate_fuzzer.cc does for our own:
// parsing, the way into a request of ours, every check, the run, the answer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "server/rpc/decode/checked_request.h"
#include "server/rpc/decode/infer_request.h"
#include "server/rpc/encode/infer_response.h"
#include "server/rpc/wire/wire.h"
#include "tests/fuzz/fuzz_network.h"

namespace spikeserve::fuzz {
namespace {

constexpr std::array<int, 1> kRawInputs{inference::ModelInferRequest::kRawInputContentsFieldNumber};

void RequireRefusal(const Status& status) {
  Require(!status.message().empty(), "a refusal says why");
  Require(status.code() != StatusCode::kInternal, "no input is the server's own fault");
}

void RunAndAnswer(FuzzServer& server, const rpc::CheckedRequest& request, const rpc::InferAnswer& answer) {
  const auto outcome = Run(server, request, [&](const engine::Reading& reading) {
    const auto progress = rpc::EncodeInferProgress(request.answer, answer, reading);
    Require(progress.parameters().at("steps_done").int64_param() == 1, "progress tells how far it is");
  });
  if (!outcome) {
    return;
  }
  const inference::ModelInferResponse response = rpc::EncodeInferResponse(request.answer, answer, *outcome);
  Require(response.outputs_size() == response.raw_output_contents_size(), "each output has its bytes");
  const std::int64_t announced =
      request.answer.response_bytes + answer.text_bytes_per_sample * request.answer.samples;
  Require(static_cast<std::int64_t>(response.ByteSizeLong()) <= announced + kResponseOverhead,
          "a response is no larger than announced");
}

void Infer(FuzzServer& server, std::string_view bytes) {
  if (!rpc::CheckStructure(bytes, kRawInputs, server.limits().max_structure_bytes).ok()) {
    return;
  }
  inference::ModelInferRequest message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return;
  }
  message.clear_id();  // which is short by now
  const auto version = rpc::DecodeVersion("model_version", message.model_version());
  if (!version.ok()) {
    return RequireRefusal(version.status());
  }
  auto network = server.registry().Get("n", version.value() == 2 ? 2 : 1);
  const auto decoded = rpc::DecodeInfer(message, *network.value());
  if (!decoded.ok()) {
    return RequireRefusal(decoded.status());
  }
  const auto checked =
      rpc::CheckRequest(decoded.value().request, std::move(network).value(), server.limits(), true);
  if (!checked.ok()) {
    return RequireRefusal(checked.status());
  }
  RunAndAnswer(server, checked.value(), decoded.value().answer);
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeserve;
  fuzz::FuzzServer& server = fuzz::ServerWithNetwork();
  fuzz::Infer(server, {reinterpret_cast<const char*>(data), size});
  fuzz::Require(server.budget().used_bytes() == 0, "an answered request holds no memory");
  return 0;
}
