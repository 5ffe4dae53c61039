#pragma once

#include <grpcpp/server_context.h>

#include <memory>
#include <string_view>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/access/callers.h"

namespace spikeserve::rpc {

// What a call needs: kAny only asks whether the server is there, kUse simulates and looks, kAdmin loads and
// unloads.
enum class Scope { kAny, kUse, kAdmin };

// Decides who may call what by `authorization: Bearer TOKEN`, and whose call it is. Thread-safe.
class Authorizer {
 public:
  explicit Authorizer(const Tokens& tokens, const serving::QuotaFile& quotas);

  // From now on these callers; calls that were let in go on.
  void Replace(const Tokens& tokens, const serving::QuotaFile& quotas);

  // What every call is asked first. RESOURCE_EXHAUSTED where its headers are too large, UNAUTHENTICATED
  // without a known token, PERMISSION_DENIED with one that is not good for `scope`.
  Status Check(const grpc::CallbackServerContext& context, Scope scope) const;
  // The same for the value of the header; empty where there is none.
  Status Check(std::string_view header, Scope scope) const;
  // The same, and the caller's tenant.
  Result<serving::TenantHandle> Identify(const grpc::CallbackServerContext& context, Scope scope) const;
  Result<serving::TenantHandle> Identify(std::string_view header, Scope scope) const;

  // Who there is now.
  std::shared_ptr<const Callers> Now() const;

 private:
  const SteadyClock clock_;
  mutable Mutex mu_;
  std::shared_ptr<const Callers> callers_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::rpc
