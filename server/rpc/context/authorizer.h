#pragma once

#include <grpcpp/server_context.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::rpc {

// What a call needs: kAny only asks whether the server is there, kUse simulates and looks, kAdmin loads and
// unloads.
enum class Scope { kAny, kUse, kAdmin };

// Bearer tokens as they were configured. An empty list asks for nothing, except that without admin tokens
// the others are asked for kAdmin too.
struct Tokens {
  std::vector<std::string> use;
  std::vector<std::string> admin;  // good for kUse as well
};

// One token a line; blank lines and those starting with # are left out. INVALID_ARGUMENT where none is left
// or one holds white space.
Result<std::vector<std::string>> ParseTokens(std::string_view text);

// Decides who may call what by `authorization: Bearer TOKEN`. Immutable, hence thread-safe; keeps digests
// only.
class Authorizer {
 public:
  explicit Authorizer(const Tokens& tokens);

  // What every call is asked first. RESOURCE_EXHAUSTED where its headers are too large, UNAUTHENTICATED
  // without a known token, PERMISSION_DENIED with one that is not good for `scope`.
  Status Check(const grpc::CallbackServerContext& context, Scope scope) const;
  // The token alone, by the value of the header; empty where there is none.
  Status Check(std::string_view header, Scope scope) const;

 private:
  std::vector<std::string> use_digests_;
  std::vector<std::string> admin_digests_;
};

}  // namespace spikeserve::rpc
