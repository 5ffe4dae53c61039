#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"

namespace spikeserve::serving {

// Of callers that have no tenant of their own, where the quota file gives it no other name.
inline constexpr std::string_view kDefaultTenant = "default";

// What a tenant may be short of, as the quota file names it.
enum class Quota { kRequests, kQueuedBytes, kSamplesPerSecond, kNetworks, kNetworkBytes };
inline constexpr std::array<std::string_view, 5> kQuotaNames = {
    "requests", "queued_bytes", "samples_per_second", "networks", "network_bytes"};

// The most that a tenant may have at the same time, or in a second; none: as much as the server gives.
struct TenantLimits {
  std::optional<std::int64_t> requests;       // in flight; an open session is one
  std::optional<std::int64_t> queued_bytes;   // of the messages of these requests
  std::optional<double> samples_per_second;   // on average
  double samples_burst = 0;                   // that may come at once; only with the rate
  std::optional<std::int64_t> networks;       // versions that it has loaded
  std::optional<std::int64_t> network_bytes;  // of their definitions, as uploaded
};

// What a tenant is entitled to. A value.
struct TenantRules {
  double weight = 1;              // of its share where tenants compete
  std::int64_t max_priority = 0;  // the most urgent that it may ask for: 1 first, 3 last; 0: any
  TenantLimits limits;
};

// How much of its quotas a tenant uses, and how often each of them refused.
struct TenantUsage {
  std::int64_t requests = 0;
  std::int64_t queued_bytes = 0;
  std::array<std::int64_t, kQuotaNames.size()> refusals{};
};

// Somebody who shares the server with others: a name, what it is entitled to, and what it uses of that.
// Lives through reloads of the quota file, which only change its rules. Thread-safe.
class Tenant : public std::enable_shared_from_this<Tenant> {
 public:
  // The place of one request in flight; given back when it goes.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept = default;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Release(); }

    // The request did not run: its samples do not count either.
    void GiveBack();
    // Takes further samples of the tenant's rate; refused as by Admit.
    Status TakeSamples(std::int64_t samples);
    // They were not run: those of Admit and TakeSamples come back, the place is kept.
    void ReturnSamples();

   private:
    friend class Tenant;
    Permit(std::shared_ptr<Tenant> tenant, std::int64_t samples, std::int64_t bytes, Clock::TimePoint since)
        : tenant_(std::move(tenant)), samples_(samples), bytes_(bytes), since_(since) {}
    void Release();

    std::shared_ptr<Tenant> tenant_;  // null: holds nothing
    std::int64_t samples_ = 0;
    std::int64_t bytes_ = 0;
    Clock::TimePoint since_;
  };

  // `clock` outlives the tenant. Its samples begin with a whole burst.
  Tenant(std::string name, const TenantRules& rules, const Clock& clock);

  const std::string& name() const { return name_; }
  TenantRules rules() const;
  TenantUsage usage() const;
  // Holds from now on; what is in flight stays.
  void SetRules(const TenantRules& rules);

  // Takes a place for a request of `samples`, whose message has `bytes`. RESOURCE_EXHAUSTED says which quota
  // has no room, its figures, and when there is some again; with no time where there never is.
  Result<Permit> Admit(std::int64_t samples, std::int64_t bytes);
  // Samples of a message in a session: they are taken whether they fit or not, as a refusal would end the
  // session, and what the tenant asks for next waits for them.
  void Charge(std::int64_t samples);
  // For quotas that others keep count of: how they refuse.
  Status Refuse(Quota quota, const std::string& figures);

 private:
  void Refill(Clock::TimePoint now) SPIKESERVE_REQUIRES(mu_);
  Status CheckRequests() SPIKESERVE_REQUIRES(mu_);
  Status CheckBytes(std::int64_t bytes) SPIKESERVE_REQUIRES(mu_);
  Status CheckSamples(std::int64_t samples) SPIKESERVE_REQUIRES(mu_);
  Status RefuseLocked(Quota quota, const std::string& figures) SPIKESERVE_REQUIRES(mu_);
  // About when one of the requests in flight ends.
  std::chrono::milliseconds NextEnd() const SPIKESERVE_REQUIRES(mu_);

  const std::string name_;
  const Clock& clock_;
  mutable Mutex mu_;
  TenantRules rules_ SPIKESERVE_GUARDED_BY(mu_);
  TenantUsage usage_ SPIKESERVE_GUARDED_BY(mu_);
  double samples_ SPIKESERVE_GUARDED_BY(mu_);  // that may come now; below 0 after Charge
  Clock::TimePoint refilled_ SPIKESERVE_GUARDED_BY(mu_);
  double held_s_ SPIKESERVE_GUARDED_BY(mu_) = 0.1;  // a request is in flight for, on average of the last ones
};

using TenantHandle = std::shared_ptr<Tenant>;

}  // namespace spikeserve::serving
