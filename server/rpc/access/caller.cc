#include "server/rpc/access/caller.h"

#include <string_view>
#include <utility>

#include "server/base/quote.h"

namespace spikeserve::rpc {
namespace {

constexpr std::size_t kMaxQuoted = 64;

Result<std::int64_t> PriorityOf(const grpc::CallbackServerContext& call) {
  const auto header = call.client_metadata().find(kPriorityHeader);
  if (header == call.client_metadata().end()) {
    return std::int64_t{0};
  }
  const std::string_view text(header->second.data(), header->second.size());
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '3') {
    return std::int64_t{text[0] - '0'};
  }
  return InvalidArgument(std::string(kPriorityHeader) + ": got " +
                         Quote(std::string(text.substr(0, kMaxQuoted))) + ", allowed 0..3");
}

}  // namespace

Result<Caller> CallerOf(const Authorizer& authorizer, const grpc::CallbackServerContext& call) {
  auto tenant = authorizer.Identify(call, Scope::kUse);
  if (!tenant.ok()) {
    return tenant.status();
  }
  const auto priority = PriorityOf(call);
  if (!priority.ok()) {
    return priority.status();
  }
  return Caller{std::move(tenant).value(), call.peer(), priority.value()};
}

}  // namespace spikeserve::rpc
