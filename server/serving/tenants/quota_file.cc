#include "server/serving/tenants/quota_file.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/names.h"
#include "server/serving/sha256.h"
#include "server/serving/tenants/config_reader.h"

namespace spikeserve::serving {
namespace {

constexpr std::int64_t kMaxCount = 1'000'000'000;
constexpr std::int64_t kMaxBytes = std::int64_t{1} << 50;
constexpr std::int64_t kLastPriority = 3;
constexpr double kLeastWeight = 0.001;
constexpr double kMostWeight = 1'000;
constexpr double kLeastRate = 0.001;
constexpr double kMostRate = 1e9;
constexpr std::size_t kDigestDigits = 64;

std::string FromHex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

bool IsDigest(const std::string& text) {
  return text.size() == kDigestDigits &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

// What a header can carry behind "Bearer ".
bool IsToken(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Reads the whole file; what is wrong goes to the problems, which then are the answer.
class Reader {
 public:
  QuotaFile Read(const ConfigNode& root);
  const ConfigProblems& problems() const { return problems_; }

 private:
  QuotaFile::Entry ReadTenant(const ConfigNode& node, const std::string& path);
  void ReadName(ConfigObject& tenant, QuotaFile::Entry& entry);
  void ReadCallers(ConfigObject& tenant, QuotaFile::Entry& entry);
  void ReadCaller(const ConfigNode& node, const std::string& path, QuotaFile::Entry& entry);
  std::string ReadDigest(ConfigObject& caller, const ConfigNode& node, const std::string& path);
  TenantLimits ReadLimits(const ConfigNode& node, const std::string& path);

  ConfigProblems problems_;
  std::set<std::string> names_;
  std::map<std::string, std::string> paths_;  // of callers, by digest
  std::string default_path_;
};

QuotaFile Reader::Read(const ConfigNode& root) {
  QuotaFile file;
  ConfigObject object(root, "", problems_);
  if (const ConfigNode::Items* tenants = object.List("tenants", true)) {
    if (tenants->size() > kMaxTenants) {
      object.Problem("tenants",
                     "got " + std::to_string(tenants->size()) + ", allowed " + std::to_string(kMaxTenants));
    }
    for (std::size_t i = 0; i < std::min(tenants->size(), kMaxTenants); ++i) {
      file.tenants.push_back(ReadTenant((*tenants)[i], "tenants[" + std::to_string(i) + "]"));
    }
  }
  if (paths_.size() > kMaxCallers) {
    object.Problem("tenants", "got " + std::to_string(paths_.size()) + " callers in all, allowed " +
                                  std::to_string(kMaxCallers));
  }
  object.Finish();
  return file;
}

QuotaFile::Entry Reader::ReadTenant(const ConfigNode& node, const std::string& path) {
  QuotaFile::Entry entry;
  ConfigObject tenant(node, path, problems_);
  ReadName(tenant, entry);
  ReadCallers(tenant, entry);
  entry.rules.weight = tenant.Number("weight", kLeastWeight, kMostWeight).value_or(entry.rules.weight);
  entry.rules.max_priority =
      tenant.Whole("max_priority", 0, kLastPriority).value_or(entry.rules.max_priority);
  if (const ConfigNode* quotas = tenant.Member("quotas")) {
    entry.rules.limits = ReadLimits(*quotas, path + ".quotas");
  }
  tenant.Finish();
  if (!entry.is_default && entry.name == kDefaultTenant) {
    tenant.Problem("name", "got \"default\", which is kept for the tenant with \"callers\": \"default\"");
  }
  return entry;
}

void Reader::ReadName(ConfigObject& tenant, QuotaFile::Entry& entry) {
  const std::string* name = tenant.Text("name", true);
  if (name == nullptr) {
    return;
  }
  entry.name = *name;
  if (!IsValidName(*name)) {
    tenant.Problem("name", "got " + Quote(*name) + ", allowed " + std::string(kNameRule));
  } else if (name->starts_with(kTokenTenantPrefix)) {
    tenant.Problem("name", "got " + Quote(*name) + ", allowed any that does not begin with \"" +
                               std::string(kTokenTenantPrefix) +
                               "\": tokens of a token file are named like that");
  } else if (!names_.insert(*name).second) {
    tenant.Problem("name", "got " + Quote(*name) + " a second time, allowed once");
  }
}

void Reader::ReadCallers(ConfigObject& tenant, QuotaFile::Entry& entry) {
  const ConfigNode* callers = tenant.Member("callers", true);
  if (callers == nullptr) {
    return;
  }
  const std::string path = tenant.PathOf("callers");
  if (const auto* text = std::get_if<std::string>(&callers->value); text != nullptr && *text == "default") {
    entry.is_default = true;
    if (!default_path_.empty()) {
      tenant.Problem("callers", "got \"default\", which " + default_path_ + " is already; allowed once");
    }
    default_path_ = path;
    return;
  }
  const auto* items = std::get_if<ConfigNode::Items>(&callers->value);
  if (items == nullptr || items->empty()) {
    tenant.Problem("callers", "got " + (items == nullptr ? std::string(KindOf(*callers)) : "an empty list") +
                                  ", wanted a list of tokens, or \"default\"");
    return;
  }
  for (std::size_t i = 0; i < items->size(); ++i) {
    ReadCaller((*items)[i], path + "[" + std::to_string(i) + "]", entry);
  }
}

void Reader::ReadCaller(const ConfigNode& node, const std::string& path, QuotaFile::Entry& entry) {
  ConfigObject caller(node, path, problems_);
  const std::string digest = ReadDigest(caller, node, path);
  const std::string* scope = caller.Text("scope");
  if (scope != nullptr && *scope != "use" && *scope != "admin") {
    caller.Problem("scope", "got " + Quote(*scope) + ", allowed \"use\" and \"admin\"");
  }
  caller.Finish();
  if (digest.empty()) {
    return;
  }
  const auto [known, added] = paths_.emplace(digest, path);
  if (!added) {
    problems_.Add(node, path, "got the token of " + known->second + ", allowed once");
  }
  entry.callers.push_back({digest, scope != nullptr && *scope == "admin"});
}

// What a token is must not stand in a message, hence none of what it got.
std::string Reader::ReadDigest(ConfigObject& caller, const ConfigNode& node, const std::string& path) {
  const std::string* token = caller.Text("token");
  const std::string* sha256 = caller.Text("sha256");
  if (!std::holds_alternative<ConfigNode::Members>(node.value)) {
    return {};
  }
  if ((token == nullptr) == (sha256 == nullptr)) {
    problems_.Add(node, path,
                  token == nullptr ? "got no token, wanted \"token\" or \"sha256\""
                                   : "got \"token\" and \"sha256\", wanted one of them");
    return {};
  }
  if (token != nullptr) {
    if (IsToken(*token)) {
      return Sha256(*token);
    }
    caller.Problem("token", "got " + std::to_string(token->size()) +
                                " bytes, wanted one or more visible characters of ASCII");
    return {};
  }
  if (IsDigest(*sha256)) {
    return FromHex(*sha256);
  }
  caller.Problem("sha256", "got " + std::to_string(sha256->size()) +
                               " characters, wanted the token's SHA-256 as 64 hexadecimal digits");
  return {};
}

TenantLimits Reader::ReadLimits(const ConfigNode& node, const std::string& path) {
  TenantLimits limits;
  ConfigObject quotas(node, path, problems_);
  limits.requests = quotas.Whole("requests", 0, kMaxCount);
  limits.queued_bytes = quotas.Whole("queued_bytes", 0, kMaxBytes);
  limits.samples_per_second = quotas.Number("samples_per_second", kLeastRate, kMostRate);
  const auto burst = quotas.Whole("samples_burst", 1, kMaxCount);
  limits.networks = quotas.Whole("networks", 0, kMaxCount);
  limits.network_bytes = quotas.Whole("network_bytes", 0, kMaxBytes);
  quotas.Finish();
  if (limits.samples_per_second) {
    limits.samples_burst = burst ? static_cast<double>(*burst) : std::ceil(*limits.samples_per_second);
  } else if (burst) {
    quotas.Problem("samples_burst", "wants samples_per_second beside it");
  }
  return limits;
}

}  // namespace

const QuotaFile::Entry* QuotaFile::Default() const {
  const auto found =
      std::find_if(tenants.begin(), tenants.end(), [](const Entry& entry) { return entry.is_default; });
  return found == tenants.end() ? nullptr : &*found;
}

bool QuotaFile::has_callers() const {
  return std::any_of(tenants.begin(), tenants.end(),
                     [](const Entry& entry) { return !entry.callers.empty(); });
}

Result<QuotaFile> ParseQuotaFile(std::string_view text) {
  if (const std::string_view mark = ByteOrderMark(text); !mark.empty()) {
    return InvalidArgument("line 1: got " + std::string(mark) + ", wanted UTF-8 without one");
  }
  const auto root = ParseConfig(text);
  if (!root.ok()) {
    return root.status();
  }
  Reader reader;
  QuotaFile file = reader.Read(root.value());
  if (!reader.problems().empty()) {
    return reader.problems().ToStatus();
  }
  return file;
}

std::string_view ByteOrderMark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) {
    return "a byte-order mark (EF BB BF, UTF-8)";
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    return "a byte-order mark (UTF-16)";
  }
  return {};
}

}  // namespace spikeserve::serving
