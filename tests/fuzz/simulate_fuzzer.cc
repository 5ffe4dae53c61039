// The bytes of a SimulateRequest against a small resident network, through everything that a call does
// between the wire and the wire: parsing, every check, the run, the answer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "server/rpc/decode/checked_request.h"
#include "server/rpc/encode/encode_response.h"
#include "server/rpc/wire/wire.h"
#include "tests/fuzz/fuzz_network.h"

namespace spikeserve::fuzz {
namespace {

constexpr std::array<int, 2> kInputData{v1::SimulateRequest::kInputsFieldNumber, v1::Array::kDataFieldNumber};
void RunAndAnswer(FuzzServer& server, const rpc::CheckedRequest& request) {
  const auto outcome = Run(server, request, [&](const engine::Reading& reading) {
    Require(rpc::EncodeProgress(request.answer, reading).steps_done() == 1, "progress tells how far it is");
  });
  if (!outcome) {
    return;
  }
  const v1::SimulateResponse response = rpc::EncodeResponse(request.answer, *outcome, 0.5);
  Require(
      static_cast<std::int64_t>(response.ByteSizeLong()) <= request.answer.response_bytes + kResponseOverhead,
      "a response is no larger than announced");
}

void Simulate(FuzzServer& server, std::string_view bytes) {
  if (!rpc::CheckStructure(bytes, kInputData, server.limits().max_structure_bytes).ok()) {
    return;
  }
  v1::SimulateRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return;
  }
  auto network = server.registry().Get("n", request.version() == 2 ? 2 : 1);
  const auto checked = rpc::CheckRequest(request, std::move(network).value(), server.limits(), true);
  if (checked.ok()) {
    RunAndAnswer(server, checked.value());
  } else {
    Require(!checked.status().message().empty(), "a refusal says why");
    Require(checked.status().code() != StatusCode::kInternal, "no input is the server's own fault");
  }
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeserve;
  fuzz::FuzzServer& server = fuzz::ServerWithNetwork();
  fuzz::Simulate(server, {reinterpret_cast<const char*>(data), size});
  fuzz::Require(server.budget().used_bytes() == 0, "an answered request holds no memory");
  return 0;
}
