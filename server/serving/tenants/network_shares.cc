#include "server/serving/tenants/network_shares.h"

namespace spikeserve::serving {
namespace {

constexpr const char* kUnload = "; unload one first";

}  // namespace

NetworkShares::Share& NetworkShares::Share::operator=(Share&& other) noexcept {
  if (this != &other) {
    Release();
    shares_ = std::move(other.shares_);
    owner_ = std::move(other.owner_);
    bytes_ = other.bytes_;
  }
  return *this;
}

void NetworkShares::Share::Release() {
  if (const auto shares = std::exchange(shares_, nullptr)) {
    const MutexLock lock(shares->mu_);
    const auto found = shares->counts_.find(owner_);
    found->second.bytes -= bytes_;
    if (--found->second.networks == 0) {
      shares->counts_.erase(found);
    }
  }
}

Result<NetworkShares::Share> NetworkShares::Reserve(Tenant& tenant, std::int64_t bytes) {
  const TenantLimits limits = tenant.rules().limits;
  const MutexLock lock(mu_);
  const auto found = counts_.find(tenant.name());
  const Count count = found == counts_.end() ? Count() : found->second;
  if (limits.networks && count.networks >= *limits.networks) {
    return tenant.Refuse(Quota::kNetworks, std::to_string(count.networks) + " are loaded, allowed " +
                                               std::to_string(*limits.networks) + kUnload);
  }
  if (limits.network_bytes && count.bytes + bytes > *limits.network_bytes) {
    return tenant.Refuse(Quota::kNetworkBytes,
                         "networks have " + std::to_string(count.bytes) + " bytes, this one " +
                             std::to_string(bytes) + ", allowed " + std::to_string(*limits.network_bytes) +
                             " in all" + (bytes > *limits.network_bytes ? "" : kUnload));
  }
  return TakeLocked(tenant.name(), bytes);
}

NetworkShares::Share NetworkShares::Take(const std::string& owner, std::int64_t bytes) {
  const MutexLock lock(mu_);
  return TakeLocked(owner, bytes);
}

NetworkShares::Share NetworkShares::TakeLocked(const std::string& owner, std::int64_t bytes) {
  Share share(shared_from_this(), owner, bytes);
  Count& count = counts_[owner];
  ++count.networks;
  count.bytes += bytes;
  return share;
}

NetworkShares::Count NetworkShares::Of(const std::string& owner) const {
  const MutexLock lock(mu_);
  const auto found = counts_.find(owner);
  return found == counts_.end() ? Count() : found->second;
}

}  // namespace spikeserve::serving
