// A file of tokens, and a header that is checked against what it holds.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/rpc/access/authorizer.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

void Check(std::string_view text) {
  const auto tokens = rpc::ParseTokens(text);
  if (!tokens.ok()) {
    Require(tokens.status().code() == StatusCode::kInvalidArgument && !tokens.status().message().empty(),
            "a file without tokens is refused with the reason");
    return;
  }
  Require(!tokens.value().empty(), "a file that is taken has a token");
  const rpc::Authorizer authorizer({tokens.value(), {"an admin's own"}}, {});
  for (const std::string& token : tokens.value()) {
    Require(!token.empty() && token.find_first_of(" \t\n") == std::string::npos, "a token is one word");
    Require(authorizer.Check("Bearer " + token, rpc::Scope::kUse).ok(), "a token that is known is taken");
    Require(!authorizer.Check("Bearer " + token, rpc::Scope::kAdmin).ok(), "a user is no admin");
    Require(!authorizer.Check("Bearer " + token + " ", rpc::Scope::kUse).ok(), "another one is not");
  }
  Require(!authorizer.Check("", rpc::Scope::kUse).ok() && !authorizer.Check("Bearer ", rpc::Scope::kUse).ok(),
          "nothing is no token");
  static_cast<void>(authorizer.Check(text, rpc::Scope::kUse));
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spikeserve::fuzz::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
