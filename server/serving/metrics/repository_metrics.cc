#include "server/serving/metrics/repository_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <chrono>

#include "server/base/mutex.h"

namespace spikeserve::serving {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;

Family<Gauge>& AddGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

void SetTotal(Counter& counter, std::int64_t total) {
  counter.Increment(static_cast<double>(total) - counter.Value());
}

}  // namespace

struct RepositoryMetrics::Families {
  explicit Families(prometheus::Registry& registry)
      : owned(AddGauge(registry, "spikeserve_repository_owned",
                       "1 where this server owns the network repository, hence takes loads and unloads.")),
        polls(prometheus::BuildCounter()
                  .Name("spikeserve_repository_polls_total")
                  .Help("Looks at the network repository, by whether all of it could be seen.")
                  .Register(registry)),
        last(AddGauge(registry, "spikeserve_repository_last_poll_timestamp_seconds",
                      "When the network repository was last seen as a whole, as Unix time.")),
        skipped(AddGauge(registry, "spikeserve_repository_skipped_files",
                         "Files of the network repository that cannot be loaded as they are.")) {}

  Mutex mu;
  Family<Gauge>& owned;
  Family<Counter>& polls;
  Family<Gauge>& last;
  Family<Gauge>& skipped;
};

RepositoryMetrics::RepositoryMetrics(prometheus::Registry& registry)
    : families_(std::make_unique<Families>(registry)) {}

RepositoryMetrics::~RepositoryMetrics() = default;

void RepositoryMetrics::Show(const RepositoryReading& reading) {
  const MutexLock lock(families_->mu);
  families_->owned.Add({}).Set(reading.owned ? 1 : 0);
  if (!reading.looks) {
    return;
  }
  const WatchReading& looks = *reading.looks;
  SetTotal(families_->polls.Add({{"result", "ok"}}), looks.looks - looks.failed);
  SetTotal(families_->polls.Add({{"result", "failed"}}), looks.failed);
  families_->skipped.Add({}).Set(static_cast<double>(looks.skipped));
  if (looks.last_success) {
    const std::chrono::duration<double> time = looks.last_success->time_since_epoch();
    families_->last.Add({}).Set(time.count());
  }
}

}  // namespace spikeserve::serving
