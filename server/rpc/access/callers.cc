#include "server/rpc/access/callers.h"

#include <algorithm>
#include <cstddef>

#include "server/serving/sha256.h"

namespace spikeserve::rpc {
namespace {

// Of a token's digest, in the name of its tenant: enough to tell tokens apart, too little to find one.
constexpr std::size_t kDigestDigits = 8;

bool Equal(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned>(static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]));
  }
  return difference == 0;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Status CheckToken(std::string_view token, std::size_t line) {
  const std::string where = "line " + std::to_string(line) + ": ";
  if (token.find_first_of(" \t") != std::string_view::npos) {
    return InvalidArgument(where + "a token holds white space");
  }
  if (std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return {};
  }
  return InvalidArgument(where + "a token holds a character that no header can carry, wanted visible ASCII");
}

}  // namespace

Result<std::vector<std::string>> ParseTokens(std::string_view text) {
  if (const std::string_view mark = serving::ByteOrderMark(text); !mark.empty()) {
    return InvalidArgument("line 1: got " + std::string(mark) + ", wanted a text without one");
  }
  std::vector<std::string> tokens;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') {
      continue;
    }
    if (Status status = CheckToken(line, number); !status.ok()) {
      return status;
    }
    tokens.emplace_back(line);
  }
  if (tokens.empty()) {
    return InvalidArgument("there is no token in it");
  }
  return tokens;
}

Callers::Callers(const Tokens& tokens, const serving::QuotaFile& quotas, const Callers* before,
                 const Clock& clock) {
  const serving::QuotaFile::Entry* entry = quotas.Default();
  anonymous_ = AddTenant(entry == nullptr ? std::string(serving::kDefaultTenant) : entry->name,
                         entry == nullptr ? serving::TenantRules() : entry->rules, before, clock);
  for (const serving::QuotaFile::Entry& tenant : quotas.tenants) {
    if (tenant.is_default) {
      continue;
    }
    const serving::TenantHandle handle = AddTenant(tenant.name, tenant.rules, before, clock);
    for (const serving::QuotaFile::Caller& caller : tenant.callers) {
      AddCaller(caller.sha256, caller.admin, handle);
    }
  }
  for (const std::string& token : tokens.use) {
    AddToken(token, tokens.admin.empty(), before, clock);
  }
  for (const std::string& token : tokens.admin) {
    AddToken(token, true, before, clock);
  }
  use_needs_token_ = !tokens.use.empty() || (quotas.has_callers() && entry == nullptr);
  refuses_unknown_ = quotas.has_callers();
}

serving::TenantHandle Callers::AddTenant(const std::string& name, const serving::TenantRules& rules,
                                         const Callers* before, const Clock& clock) {
  serving::TenantHandle& tenant = tenants_[name];
  if (tenant) {
    return tenant;
  }
  if (before != nullptr) {
    const auto known = before->tenants_.find(name);
    tenant = known == before->tenants_.end() ? nullptr : known->second;
  }
  if (tenant) {
    tenant->SetRules(rules);
  } else {
    tenant = std::make_shared<serving::Tenant>(name, rules, clock);
  }
  return tenant;
}

void Callers::AddCaller(const std::string& digest, bool admin, const serving::TenantHandle& tenant) {
  indices_.emplace(digest, callers_.size());
  callers_.push_back({digest, admin, tenant});
}

// A token that the quota file names has its tenant from there; another has one of its own, with the rules of
// the default.
void Callers::AddToken(const std::string& token, bool admin, const Callers* before, const Clock& clock) {
  const std::string digest = serving::Sha256(token);
  if (const auto known = indices_.find(digest); known != indices_.end()) {
    Caller& caller = callers_[known->second];
    caller.admin = caller.admin || admin;
    return;
  }
  const std::string name =
      std::string(serving::kTokenTenantPrefix) + serving::ToHex(digest).substr(0, kDigestDigits);
  AddCaller(digest, admin, AddTenant(name, anonymous_->rules(), before, clock));
}

const Callers::Caller* Callers::Find(std::string_view token) const {
  const std::string digest = serving::Sha256(token);
  const Caller* found = nullptr;
  for (const Caller& caller : callers_) {
    found = Equal(caller.digest, digest) ? &caller : found;
  }
  return found;
}

}  // namespace spikeserve::rpc
