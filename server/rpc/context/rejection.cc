#include "server/rpc/context/rejection.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace spikeserve::rpc {
namespace {

// Flags whose limits calls run into. Every refusal names its flag behind what it says, in brackets.
constexpr std::array<const char*, 24> kLimits = {
    "max-queue",      "max-queue-ms",    "quota-file",           "memory-budget-mb",
    "max-message-mb", "max-response-mb", "max-structure-kb",     "max-samples",
    "max-steps",      "max-sessions",    "session-idle-seconds", "write-idle-seconds",
    "max-uploads",    "max-upload-mb",   "upload-idle-seconds",  "network-repository",
    "max-operations", "max-connections", "max-probes",           "max-dimension",
    "max-elements",   "max-neurons",     "max-parameters",       "max-synapses"};

// The flag that is named last; none where it is not one of these.
const char* LimitIn(std::string_view message) {
  const std::size_t at = message.rfind("(--");
  if (at == std::string_view::npos) {
    return nullptr;
  }
  const std::string_view flag = message.substr(at + 3);
  for (const char* limit : kLimits) {
    const std::string_view name(limit);
    if (flag.substr(0, name.size()) == name && flag.size() > name.size() &&
        std::string_view(") ;,").find(flag[name.size()]) != std::string_view::npos) {
      return limit;
    }
  }
  return nullptr;
}

}  // namespace

const char* RejectionReason(const Status& status) {
  const char* limit = LimitIn(status.message());
  switch (status.code()) {
    case StatusCode::kResourceExhausted: return limit != nullptr ? limit : "other";
    case StatusCode::kUnauthenticated: return "token";
    case StatusCode::kPermissionDenied: return "permission";
    case StatusCode::kDeadlineExceeded: return limit != nullptr ? limit : "deadline";
    case StatusCode::kUnavailable: return "unavailable";
    default: return "";
  }
}

}  // namespace spikeserve::rpc
