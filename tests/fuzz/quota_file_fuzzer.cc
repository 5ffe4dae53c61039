// The quota file: read, or refused with a message for a person. What is taken makes callers.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/rpc/access/authorizer.h"
#include "server/serving/tenants/quota_file.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

constexpr std::size_t kLongestMessage = 64 * 1024;

void CheckEntry(const serving::QuotaFile::Entry& entry) {
  Require(!entry.name.empty(), "a tenant has a name");
  Require(entry.is_default == entry.callers.empty(), "a tenant has callers, or those that have none");
  Require(entry.rules.weight > 0, "a weight is above 0");
  for (const serving::QuotaFile::Caller& caller : entry.callers) {
    Require(caller.sha256.size() == 32, "a caller has a digest");
  }
}

// A second one is let in at once with the same tenants.
void CheckCallers(const serving::QuotaFile& file) {
  rpc::Authorizer authorizer({{"token"}, {"admin"}}, file);
  authorizer.Replace({}, file);
  for (const serving::QuotaFile::Entry& entry : file.tenants) {
    Require(authorizer.Now()->tenants().contains(entry.name), "each tenant of the file is there");
  }
  const auto tenant = authorizer.Identify("", rpc::Scope::kAny);
  Require(tenant.ok() && tenant.value() != nullptr, "who has no token has a tenant");
  static_cast<void>(tenant.value()->Admit(1, 1));
}

void Check(std::string_view text) {
  const auto file = serving::ParseQuotaFile(text);
  if (!file.ok()) {
    Require(file.status().code() == StatusCode::kInvalidArgument, "a file that is refused is wrong");
    Require(!file.status().message().empty() && file.status().message().size() < kLongestMessage,
            "a refusal says why, in bounds");
    return;
  }
  for (const serving::QuotaFile::Entry& entry : file.value().tenants) {
    CheckEntry(entry);
  }
  CheckCallers(file.value());
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  spikeserve::fuzz::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
