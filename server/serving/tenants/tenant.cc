#include "server/serving/tenants/tenant.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/base/quote.h"

namespace spikeserve::serving {
namespace {

using std::chrono::milliseconds;

// How fast the average of the time in flight follows: the last ten requests make most of it.
constexpr double kNewest = 0.1;
constexpr milliseconds kShortestWait{1};
constexpr milliseconds kLongestWait = std::chrono::seconds(60);
// Sessions may owe as many seconds of the rate, so that nobody is shut out for long.
constexpr double kMostOwedSeconds = 60;

milliseconds Wait(double seconds) {
  const double most = static_cast<double>(kLongestWait.count());
  const auto wait = static_cast<std::int64_t>(std::ceil(std::min(seconds * 1e3, most)));
  return std::max(milliseconds(wait), kShortestWait);
}

std::string InSeconds(milliseconds time) {
  const std::string thousandths = std::to_string(1'000 + time.count() % 1'000).substr(1);
  return std::to_string(time.count() / 1'000) + "." + thousandths + " s";
}

std::string Number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  return text.back() == '.' ? text.substr(0, text.size() - 1) : text;
}

}  // namespace

Tenant::Permit& Tenant::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    Release();
    tenant_ = std::move(other.tenant_);
    samples_ = other.samples_;
    bytes_ = other.bytes_;
    since_ = other.since_;
  }
  return *this;
}

void Tenant::Permit::Release() {
  if (const TenantHandle tenant = std::exchange(tenant_, nullptr)) {
    const MutexLock lock(tenant->mu_);
    --tenant->usage_.requests;
    tenant->usage_.queued_bytes -= bytes_;
    const std::chrono::duration<double> held = tenant->clock_.Now() - since_;
    tenant->held_s_ += kNewest * (held.count() - tenant->held_s_);
  }
}

void Tenant::Permit::GiveBack() {
  if (const TenantHandle tenant = std::exchange(tenant_, nullptr)) {
    const MutexLock lock(tenant->mu_);
    --tenant->usage_.requests;
    tenant->usage_.queued_bytes -= bytes_;
    tenant->samples_ += static_cast<double>(samples_);
  }
}

Status Tenant::Permit::TakeSamples(std::int64_t samples) {
  if (!tenant_) {
    return {};
  }
  const MutexLock lock(tenant_->mu_);
  tenant_->Refill(tenant_->clock_.Now());
  if (Status status = tenant_->CheckSamples(samples); !status.ok()) {
    return status;
  }
  tenant_->samples_ -= static_cast<double>(samples);
  samples_ += samples;
  return {};
}

void Tenant::Permit::ReturnSamples() {
  if (tenant_) {
    const MutexLock lock(tenant_->mu_);
    tenant_->samples_ += static_cast<double>(std::exchange(samples_, 0));
  }
}

Tenant::Tenant(std::string name, const TenantRules& rules, const Clock& clock)
    : name_(std::move(name)),
      clock_(clock),
      rules_(rules),
      samples_(rules.limits.samples_burst),
      refilled_(clock.Now()) {}

TenantRules Tenant::rules() const {
  const MutexLock lock(mu_);
  return rules_;
}

TenantUsage Tenant::usage() const {
  const MutexLock lock(mu_);
  return usage_;
}

void Tenant::SetRules(const TenantRules& rules) {
  const MutexLock lock(mu_);
  Refill(clock_.Now());
  const bool limited = rules_.limits.samples_per_second.has_value();
  rules_ = rules;
  samples_ = limited ? std::min(samples_, rules.limits.samples_burst) : rules.limits.samples_burst;
}

Result<Tenant::Permit> Tenant::Admit(std::int64_t samples, std::int64_t bytes) {
  const MutexLock lock(mu_);
  const Clock::TimePoint now = clock_.Now();
  Refill(now);
  if (Status status = CheckRequests(); !status.ok()) {
    return status;
  }
  if (Status status = CheckBytes(bytes); !status.ok()) {
    return status;
  }
  if (Status status = CheckSamples(samples); !status.ok()) {
    return status;
  }
  ++usage_.requests;
  usage_.queued_bytes += bytes;
  samples_ -= static_cast<double>(samples);
  return Permit(shared_from_this(), samples, bytes, now);
}

void Tenant::Charge(std::int64_t samples) {
  const MutexLock lock(mu_);
  Refill(clock_.Now());
  const double owed = kMostOwedSeconds * rules_.limits.samples_per_second.value_or(0);
  samples_ = std::max(samples_ - static_cast<double>(samples), std::min(samples_, -owed));
}

Status Tenant::Refuse(Quota quota, const std::string& figures) {
  const MutexLock lock(mu_);
  return RefuseLocked(quota, figures);
}

Status Tenant::RefuseLocked(Quota quota, const std::string& figures) {
  const auto index = static_cast<std::size_t>(quota);
  ++usage_.refusals[index];
  return ResourceExhausted("tenant " + Quote(name_) + ": " + std::string(kQuotaNames[index]) + ": " +
                           figures + " (--quota-file)");
}

// Without a rate there is nothing to keep count of.
void Tenant::Refill(Clock::TimePoint now) {
  const std::chrono::duration<double> passed = now - std::exchange(refilled_, now);
  const TenantLimits& limits = rules_.limits;
  const double more = passed.count() * limits.samples_per_second.value_or(0);
  samples_ = limits.samples_per_second ? std::min(samples_ + more, limits.samples_burst) : 0;
}

milliseconds Tenant::NextEnd() const {
  return Wait(held_s_ / static_cast<double>(std::max<std::int64_t>(usage_.requests, 1)));
}

Status Tenant::CheckRequests() {
  const auto& allowed = rules_.limits.requests;
  if (!allowed || usage_.requests < *allowed) {
    return {};
  }
  const std::string figures =
      std::to_string(usage_.requests) + " are in flight, allowed " + std::to_string(*allowed);
  if (*allowed == 0) {
    return RefuseLocked(Quota::kRequests, figures);
  }
  const milliseconds wait = NextEnd();
  return RefuseLocked(Quota::kRequests, figures + "; one of them ends in about " + InSeconds(wait))
      .RetryAfter(wait);
}

Status Tenant::CheckBytes(std::int64_t bytes) {
  const auto& allowed = rules_.limits.queued_bytes;
  if (!allowed || usage_.queued_bytes + bytes <= *allowed) {
    return {};
  }
  const std::string limit = "allowed " + std::to_string(*allowed);
  if (bytes > *allowed) {
    return RefuseLocked(Quota::kQueuedBytes, "the request has " + std::to_string(bytes) + " bytes, " + limit +
                                                 " in all; send it in smaller parts");
  }
  const milliseconds wait = NextEnd();
  return RefuseLocked(Quota::kQueuedBytes, "requests in flight have " + std::to_string(usage_.queued_bytes) +
                                               " bytes, this one " + std::to_string(bytes) + ", " + limit +
                                               " in all; one of them ends in about " + InSeconds(wait))
      .RetryAfter(wait);
}

Status Tenant::CheckSamples(std::int64_t samples) {
  const TenantLimits& limits = rules_.limits;
  const auto wanted = static_cast<double>(samples);
  if (!limits.samples_per_second || samples == 0 || wanted <= samples_) {
    return {};
  }
  const std::string rate = "allowed " + Number(*limits.samples_per_second) + " a second and " +
                           Number(limits.samples_burst) + " at once";
  if (wanted > limits.samples_burst) {
    return RefuseLocked(Quota::kSamplesPerSecond, "the request has " + std::to_string(samples) + ", " + rate +
                                                      "; send fewer at a time");
  }
  const milliseconds wait = Wait((wanted - samples_) / *limits.samples_per_second);
  return RefuseLocked(Quota::kSamplesPerSecond, "the request has " + std::to_string(samples) + ", left are " +
                                                    Number(std::floor(std::max(samples_, 0.0))) + ", " +
                                                    rate + "; it fits in " + InSeconds(wait))
      .RetryAfter(wait);
}

}  // namespace spikeserve::serving
