#include "server/rpc/access/authorizer.h"

#include <utility>

#include "server/rpc/access/metadata_limit.h"

namespace spikeserve::rpc {
namespace {

constexpr std::string_view kScheme = "Bearer ";

std::string_view Header(const grpc::CallbackServerContext& context) {
  const auto header = context.client_metadata().find("authorization");
  if (header == context.client_metadata().end()) {
    return {};
  }
  return {header->second.data(), header->second.size()};
}

// Whose token it is; null: nobody's, and none is needed.
Result<const Callers::Caller*> Find(const Callers& callers, std::string_view header, bool needed) {
  const bool refuses = needed || callers.refuses_unknown();
  if (header.empty() && needed) {
    return Status(StatusCode::kUnauthenticated,
                  "this server wants a token: send the header `authorization: Bearer TOKEN`");
  }
  if (header.empty()) {
    return nullptr;
  }
  const bool bearer = header.substr(0, kScheme.size()) == kScheme;
  if (!bearer && refuses) {
    return Status(StatusCode::kUnauthenticated, "authorization: got another scheme, wanted `Bearer TOKEN`");
  }
  const Callers::Caller* caller = bearer ? callers.Find(header.substr(kScheme.size())) : nullptr;
  if (caller == nullptr && refuses) {
    return Status(StatusCode::kUnauthenticated, "authorization: this server does not know the token");
  }
  return caller;
}

}  // namespace

Authorizer::Authorizer(const Tokens& tokens, const serving::QuotaFile& quotas)
    : callers_(std::make_shared<const Callers>(tokens, quotas, nullptr, clock_)) {}

void Authorizer::Replace(const Tokens& tokens, const serving::QuotaFile& quotas) {
  const std::shared_ptr<const Callers> before = Now();
  auto callers = std::make_shared<const Callers>(tokens, quotas, before.get(), clock_);
  const MutexLock lock(mu_);
  callers_ = std::move(callers);
}

std::shared_ptr<const Callers> Authorizer::Now() const {
  const MutexLock lock(mu_);
  return callers_;
}

Status Authorizer::Check(const grpc::CallbackServerContext& context, Scope scope) const {
  return Identify(context, scope).status();
}

Status Authorizer::Check(std::string_view header, Scope scope) const {
  return Identify(header, scope).status();
}

Result<serving::TenantHandle> Authorizer::Identify(const grpc::CallbackServerContext& context,
                                                   Scope scope) const {
  if (Status status = CheckMetadata(context); !status.ok()) {
    return status;
  }
  return Identify(Header(context), scope);
}

Result<serving::TenantHandle> Authorizer::Identify(std::string_view header, Scope scope) const {
  const std::shared_ptr<const Callers> callers = Now();
  if (scope == Scope::kAny) {
    return callers->anonymous();
  }
  const bool needed = scope == Scope::kUse ? callers->use_needs_token() : callers->admin_needs_token();
  const auto caller = Find(*callers, header, needed);
  if (!caller.ok()) {
    return caller.status();
  }
  if (caller.value() == nullptr) {
    return callers->anonymous();
  }
  if (scope == Scope::kAdmin && !caller.value()->admin) {
    return Status(StatusCode::kPermissionDenied, "this token may simulate, but not load or unload networks");
  }
  return caller.value()->tenant;
}

}  // namespace spikeserve::rpc
