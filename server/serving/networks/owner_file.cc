#include "server/serving/networks/owner_file.h"

#include <fstream>
#include <system_error>

#include "server/serving/names.h"
#include "server/serving/networks/durable_file.h"
#include "server/serving/networks/repository_layout.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::serving {

Status WriteOwner(const std::filesystem::path& folder, const std::string& owner) {
  RemoveOwner(folder);
  if (owner.empty() || owner == kDefaultTenant) {
    return {};
  }
  return WriteDurably(folder / kOwnerFileName, {owner});
}

std::string ReadOwner(const std::filesystem::path& folder) {
  std::string owner(kMaxNameBytes + 1, '\0');
  std::error_code ignored;
  if (std::filesystem::is_regular_file(folder / kOwnerFileName,
                                       ignored)) {  // opening a pipe would wait forever
    std::ifstream file(folder / kOwnerFileName, std::ios::binary);
    file.read(owner.data(), static_cast<std::streamsize>(owner.size()));
    owner.resize(static_cast<std::size_t>(file.gcount()));
  }
  return IsValidName(owner) ? owner : std::string(kDefaultTenant);
}

void RemoveOwner(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::remove(folder / kOwnerFileName, ignored);
}

}  // namespace spikeserve::serving
