#include "server/serving/metrics/access_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <map>

#include "server/base/mutex.h"

namespace spikeserve::serving {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

Family<Gauge>& AddGauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

Family<Counter>& AddCounters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

// The series of one tenant.
struct Series {
  std::array<Gauge*, 4> gauges{};
  std::array<Counter*, kQuotaNames.size()> refusals{};
};

}  // namespace

struct AccessMetrics::Families {
  explicit Families(prometheus::Registry& registry)
      : reloads(AddCounters(registry, "spikeserve_reloads_total",
                            "Times that files were read again, by what they hold and whether they could be "
                            "used.")),
        expiry(AddGauges(registry, "spikeserve_certificate_expiry_timestamp_seconds",
                         "When the first certificate of --tls-cert expires, as Unix time.")),
        tenants{&AddGauges(registry, "spikeserve_tenant_requests_in_flight",
                           "Requests in flight and open sessions, by tenant."),
                &AddGauges(registry, "spikeserve_tenant_queued_bytes",
                           "Bytes of the messages of requests in flight, by tenant."),
                &AddGauges(registry, "spikeserve_tenant_networks", "Network versions loaded, by tenant."),
                &AddGauges(registry, "spikeserve_tenant_network_bytes",
                           "Bytes of the definitions of these networks, by tenant.")},
        refusals(AddCounters(registry, "spikeserve_quota_refusals_total",
                             "Requests and networks refused, by tenant and quota.")) {}

  Series Add(const std::string& tenant);
  void Remove(const Series& series);

  Family<Counter>& reloads;
  Family<Gauge>& expiry;
  const std::array<Family<Gauge>*, 4> tenants;
  Family<Counter>& refusals;
  Mutex mu;
  std::map<std::string, Series> shown SPIKESERVE_GUARDED_BY(mu);
};

Series AccessMetrics::Families::Add(const std::string& tenant) {
  Series series;
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    series.gauges[i] = &tenants[i]->Add({{"tenant", tenant}});
  }
  for (std::size_t i = 0; i < kQuotaNames.size(); ++i) {
    series.refusals[i] = &refusals.Add({{"tenant", tenant}, {"quota", std::string(kQuotaNames[i])}});
  }
  return series;
}

void AccessMetrics::Families::Remove(const Series& series) {
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    tenants[i]->Remove(series.gauges[i]);
  }
  for (Counter* counter : series.refusals) {
    refusals.Remove(counter);
  }
}

AccessMetrics::AccessMetrics(prometheus::Registry& registry)
    : families_(std::make_unique<Families>(registry)) {}

AccessMetrics::~AccessMetrics() = default;

void AccessMetrics::CountReload(const std::string& what, bool ok) {
  families_->reloads.Add({{"what", what}, {"result", ok ? "ok" : "failed"}}).Increment();
}

void AccessMetrics::SetCertificateExpiry(std::chrono::system_clock::time_point until) {
  const std::chrono::duration<double> seconds = until.time_since_epoch();
  families_->expiry.Add({}).Set(seconds.count());
}

void AccessMetrics::Show(const std::vector<TenantReading>& readings) {
  const MutexLock lock(families_->mu);
  std::map<std::string, Series> shown;
  for (std::size_t i = 0; i < std::min(readings.size(), kMaxTenants); ++i) {
    const TenantReading& reading = readings[i];
    auto known = families_->shown.extract(reading.name);
    const Series series = known.empty() ? families_->Add(reading.name) : known.mapped();
    const std::array<std::int64_t, 4> values{reading.usage.requests, reading.usage.queued_bytes,
                                             reading.networks.networks, reading.networks.bytes};
    for (std::size_t j = 0; j < values.size(); ++j) {
      series.gauges[j]->Set(static_cast<double>(values[j]));
    }
    for (std::size_t j = 0; j < series.refusals.size(); ++j) {
      series.refusals[j]->Increment(static_cast<double>(reading.usage.refusals[j]) -
                                    series.refusals[j]->Value());
    }
    shown.emplace(reading.name, series);
  }
  for (const auto& [name, series] : families_->shown) {
    families_->Remove(series);
  }
  families_->shown = std::move(shown);
}

}  // namespace spikeserve::serving
