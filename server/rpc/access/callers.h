#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/serving/tenants/quota_file.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::rpc {

// Bearer tokens as they were configured. An empty list asks for nothing, except that without admin tokens
// the others are asked for loading too.
struct Tokens {
  std::vector<std::string> use;
  std::vector<std::string> admin;  // good for all
};

// One token a line; blank lines and those starting with # are left out. INVALID_ARGUMENT where none is left,
// one holds what no header can carry, or the text begins with a byte-order mark, which would become part of
// the first.
Result<std::vector<std::string>> ParseTokens(std::string_view text);

// Who there is: the tokens of token files and of the quota file, each with its tenant. Keeps digests only.
// Immutable, hence thread-safe.
class Callers {
 public:
  // Tenants of `before` that are still there go on with their counts and the new rules. `clock` outlives the
  // tenants.
  Callers(const Tokens& tokens, const serving::QuotaFile& quotas, const Callers* before, const Clock& clock);

  struct Caller {
    std::string digest;
    bool admin = false;  // may load and unload too
    serving::TenantHandle tenant;
  };

  // Null where nobody has this token. Takes the same time whichever it is, if any.
  const Caller* Find(std::string_view token) const;
  // Of callers that need no token, or have none that is known.
  const serving::TenantHandle& anonymous() const { return anonymous_; }
  // Whether callers need a token to simulate and look, and to load.
  bool use_needs_token() const { return use_needs_token_; }
  bool admin_needs_token() const { return !callers_.empty(); }
  // Whether a token that is not known is refused also where none is needed: it may have been taken away.
  bool refuses_unknown() const { return refuses_unknown_; }

  // By name.
  const std::map<std::string, serving::TenantHandle>& tenants() const { return tenants_; }
  std::size_t size() const { return callers_.size(); }

 private:
  serving::TenantHandle AddTenant(const std::string& name, const serving::TenantRules& rules,
                                  const Callers* before, const Clock& clock);
  void AddToken(const std::string& token, bool admin, const Callers* before, const Clock& clock);
  void AddCaller(const std::string& digest, bool admin, const serving::TenantHandle& tenant);

  std::vector<Caller> callers_;
  std::map<std::string, std::size_t> indices_;  // of callers_, by digest
  std::map<std::string, serving::TenantHandle> tenants_;
  serving::TenantHandle anonymous_;
  bool use_needs_token_ = false;
  bool refuses_unknown_ = false;
};

}  // namespace spikeserve::rpc
