#include "server/rpc/context/authorizer.h"

#include <algorithm>
#include <cstddef>

#include "server/rpc/context/metadata_limit.h"
#include "server/serving/sha256.h"

namespace spikeserve::rpc {
namespace {

constexpr std::string_view kScheme = "Bearer ";

std::vector<std::string> Digests(const std::vector<std::string>& tokens) {
  std::vector<std::string> digests;
  for (const std::string& token : tokens) {
    digests.push_back(serving::Sha256(token));
  }
  return digests;
}

bool Equal(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

// Takes the same time whichever token it is, if any.
bool Contains(const std::vector<std::string>& digests, const std::string& digest) {
  bool found = false;
  for (const std::string& known : digests) {
    found = Equal(known, digest) || found;
  }
  return found;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

Result<std::vector<std::string>> ParseTokens(std::string_view text) {
  std::vector<std::string> tokens;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') {
      continue;
    }
    if (line.find_first_of(" \t") != std::string_view::npos) {
      return InvalidArgument("a token holds white space");
    }
    tokens.emplace_back(line);
  }
  if (tokens.empty()) {
    return InvalidArgument("there is no token in it");
  }
  return tokens;
}

Authorizer::Authorizer(const Tokens& tokens)
    : use_digests_(Digests(tokens.use)),
      admin_digests_(Digests(tokens.admin.empty() ? tokens.use : tokens.admin)) {}

Status Authorizer::Check(const grpc::CallbackServerContext& context, Scope scope) const {
  if (Status status = CheckMetadata(context); !status.ok()) {
    return status;
  }
  const auto header = context.client_metadata().find("authorization");
  if (header == context.client_metadata().end()) {
    return Check(std::string_view(), scope);
  }
  return Check(std::string_view(header->second.data(), header->second.size()), scope);
}

Status Authorizer::Check(std::string_view header, Scope scope) const {
  if (scope == Scope::kAny || (scope == Scope::kUse ? use_digests_ : admin_digests_).empty()) {
    return {};
  }
  if (header.empty()) {
    return {StatusCode::kUnauthenticated,
            "this server wants a token: send the header `authorization: Bearer TOKEN`"};
  }
  if (header.substr(0, kScheme.size()) != kScheme) {
    return {StatusCode::kUnauthenticated, "authorization: got another scheme, wanted `Bearer TOKEN`"};
  }
  const std::string digest = serving::Sha256(header.substr(kScheme.size()));
  const bool admin = Contains(admin_digests_, digest);
  const bool use = Contains(use_digests_, digest);
  if (admin || (use && scope == Scope::kUse)) {
    return {};
  }
  if (use) {
    return {StatusCode::kPermissionDenied, "this token may simulate, but not load or unload networks"};
  }
  return {StatusCode::kUnauthenticated, "authorization: this server does not know the token"};
}

}  // namespace spikeserve::rpc
