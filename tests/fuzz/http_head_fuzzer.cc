// What is known of an HTTP request before its body: method, target, the headers that are looked at, a line
// each. Through routing, the token and the time of the call.

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "server/base/request_id.h"
#include "server/rest/gateway.h"
#include "server/rpc/access/authorizer.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

http::Head HeadOf(std::string_view text) {
  http::Head head;
  for (std::string* part :
       {&head.method, &head.target, &head.authorization, &head.content_type, &head.content_encoding,
        &head.json_bytes, &head.grpc_timeout, &head.request_id, &head.traceparent}) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    *part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return head;
}

void RequireRefusal(const http::Response& response) {
  Require(response.status >= 400 && response.status < 500, "a head that is wrong is the client's fault");
  Require(response.body.size() < 2'000 && nlohmann::json::accept(response.body),
          "a refusal is JSON, in short");
}

void Check(rest::Gateway& gateway, const http::Head& head) {
  const auto admitted = gateway.Admit(head);
  if (const auto* refusal = std::get_if<http::Response>(&admitted)) {
    RequireRefusal(*refusal);
  }
  http::Head passed = head;  // on with an id that is one
  if (const auto* admission = std::get_if<http::Admission>(&admitted)) {
    passed.request_id = admission->exchange->head.request_id;
    Require(IsRequestId(passed.request_id), "each request has an id");
  } else {
    passed.request_id.clear();
  }
  grpc::ClientContext context;
  if (const Status status = rest::PrepareCall(passed, context); !status.ok()) {
    Require(status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kUnauthenticated,
            "a head that cannot be passed on is the client's fault");
    RequireRefusal(rest::ErrorResponse(status));
    return;
  }
  Require(context.deadline() >= std::chrono::system_clock::now() - std::chrono::seconds(1) ||
              head.grpc_timeout.find_first_of("123456789") == std::string::npos,
          "a time that is left does not lie in the past");
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeserve;
  static auto* budget = new serving::MemoryBudget(1 << 20);  // these live as long as the process
  static auto* authorizer = new rpc::Authorizer(rpc::Tokens{{"user"}, {"admin"}}, {});
  static auto* gateway = new rest::Gateway(
      grpc::CreateChannel("unix:/nowhere", grpc::InsecureChannelCredentials()), *budget,
      [](std::string_view authorization, bool admin) {
        return authorizer->Check(authorization, admin ? rpc::Scope::kAdmin : rpc::Scope::kUse);
      });
  fuzz::Check(*gateway, fuzz::HeadOf({reinterpret_cast<const char*>(data), size}));
  fuzz::Require(budget->used_bytes() == 0, "a head holds no memory");
  return 0;
}
