#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::serving {

// How many networks each tenant has loaded, and of how many bytes, by its name: a network outlives reloads
// and restarts, which its tenant need not. Holds only names of networks that there are. Thread-safe.
class NetworkShares : public std::enable_shared_from_this<NetworkShares> {
 public:
  struct Count {
    std::int64_t networks = 0;
    std::int64_t bytes = 0;
  };

  // One network of one owner, counted for as long as this lives.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept = default;
    Share& operator=(Share&& other) noexcept;
    ~Share() { Release(); }

    const std::string& owner() const { return owner_; }

   private:
    friend class NetworkShares;
    Share(std::shared_ptr<NetworkShares> shares, std::string owner, std::int64_t bytes)
        : shares_(std::move(shares)), owner_(std::move(owner)), bytes_(bytes) {}
    void Release();

    std::shared_ptr<NetworkShares> shares_;  // null: counts nothing
    std::string owner_;
    std::int64_t bytes_ = 0;
  };

  // A share for a network of `bytes` that `tenant` is about to load. RESOURCE_EXHAUSTED where its quota has
  // no room.
  Result<Share> Reserve(Tenant& tenant, std::int64_t bytes);
  // Counts one that is there already, whatever its owner may have.
  Share Take(const std::string& owner, std::int64_t bytes);
  Count Of(const std::string& owner) const;

 private:
  Share TakeLocked(const std::string& owner, std::int64_t bytes) SPIKESERVE_REQUIRES(mu_);

  mutable Mutex mu_;
  std::map<std::string, Count> counts_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
