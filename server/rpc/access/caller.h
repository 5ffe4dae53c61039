#pragma once

#include <grpcpp/server_context.h>

#include <cstdint>
#include <string>

#include "server/base/status.h"
#include "server/rpc/access/authorizer.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::rpc {

// Metadata by which a call says how urgent it is: 1 is served first, 3 last; 0 or none: 2.
inline constexpr const char* kPriorityHeader = "spikeserve-priority";

// Who asks for a simulation, and how urgently.
struct Caller {
  serving::TenantHandle tenant;
  std::string client;         // its connection
  std::int64_t priority = 0;  // 0: the default
};

// Of a call that may simulate. UNAUTHENTICATED and PERMISSION_DENIED as Authorizer::Identify,
// INVALID_ARGUMENT for another priority.
Result<Caller> CallerOf(const Authorizer& authorizer, const grpc::CallbackServerContext& call);

}  // namespace spikeserve::rpc
