#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "server/serving/tenants/network_shares.h"
#include "server/serving/tenants/tenant.h"

namespace prometheus {
class Registry;
}

namespace spikeserve::serving {

// What one tenant uses at the moment somebody asks.
struct TenantReading {
  std::string name;
  TenantUsage usage;
  NetworkShares::Count networks;
};

// Metrics of who may call: tenants, reloads, the certificate. Thread-safe.
class AccessMetrics {
 public:
  // Each tenant has series of its own; of further ones there are none.
  static constexpr std::size_t kMaxTenants = 1'000;

  // `registry` outlives this.
  explicit AccessMetrics(prometheus::Registry& registry);
  ~AccessMetrics();

  // `what` is "tokens and quotas" or "certificate".
  void CountReload(const std::string& what, bool ok);
  void SetCertificateExpiry(std::chrono::system_clock::time_point until);
  // Shows these, and no longer those that are not among them.
  void Show(const std::vector<TenantReading>& readings);

 private:
  struct Families;

  const std::unique_ptr<Families> families_;
};

}  // namespace spikeserve::serving
