#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::serving {

// Who shares the server, as a quota file says it:
//
//   {"tenants": [
//     {"name": "vision",
//      "callers": [{"token": "..."}, {"sha256": "64 hexadecimal digits", "scope": "admin"}],
//      "weight": 2, "max_priority": 1,
//      "quotas": {"requests": 8, "queued_bytes": 100000000,
//                 "samples_per_second": 500, "samples_burst": 1000,
//                 "networks": 10, "network_bytes": 1000000000}},
//     {"name": "guests", "callers": "default"}]}
struct QuotaFile {
  struct Caller {
    std::string sha256;  // of the token, 32 bytes
    bool admin = false;
  };
  struct Entry {
    std::string name;
    std::vector<Caller> callers;  // none: of the default
    TenantRules rules;
    bool is_default = false;  // for callers without a tenant of their own
  };
  std::vector<Entry> tenants;

  // Null where there is none.
  const Entry* Default() const;
  bool has_callers() const;
};

// How names begin that tokens of a token file get, so that none of the file may.
inline constexpr std::string_view kTokenTenantPrefix = "token-";
// Each tenant has its series in the metrics, and each token is compared at every call.
inline constexpr std::size_t kMaxTenants = 256;
inline constexpr std::size_t kMaxCallers = 4'096;

// INVALID_ARGUMENT names everything that is wrong, each with its line, its path, what it got and what is
// allowed.
Result<QuotaFile> ParseQuotaFile(std::string_view text);

// What marks a text as one of Unicode where it begins a file ("a byte-order mark (EF BB BF, UTF-8)"); empty
// where there is none. Files of tokens and quotas have none, as it would become part of what comes first.
std::string_view ByteOrderMark(std::string_view text);

}  // namespace spikeserve::serving
