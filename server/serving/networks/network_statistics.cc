#include "server/serving/networks/network_statistics.h"

namespace spikeserve::serving {
namespace {

void Add(TimedCount& total, double seconds) {
  ++total.count;
  total.seconds += seconds;
}

}  // namespace

void NetworkStatistics::CountSuccess(std::int64_t samples, double total_s, double queue_s, double compute_s) {
  const auto now = std::chrono::system_clock::now();
  const MutexLock lock(mu_);
  Add(counts_.succeeded, total_s);
  Add(counts_.queued, queue_s);
  Add(counts_.computed, compute_s);
  counts_.samples += samples;
  counts_.last_request = now;
}

void NetworkStatistics::CountLookup(bool found, double total_s) {
  const MutexLock lock(mu_);
  if (found) {
    Add(counts_.cached, total_s);
  } else {
    Add(counts_.simulated, 0);
  }
}

void NetworkStatistics::CountFailure(double total_s) {
  const auto now = std::chrono::system_clock::now();
  const MutexLock lock(mu_);
  Add(counts_.failed, total_s);
  counts_.last_request = now;
}

void NetworkStatistics::CountRun(std::int64_t samples, double compute_s) {
  const MutexLock lock(mu_);
  Add(counts_.runs, compute_s);
  const auto size = counts_.runs_by_samples.find(samples);
  if (size != counts_.runs_by_samples.end()) {
    Add(size->second, compute_s);
  } else if (counts_.runs_by_samples.size() < kMaxSizes) {
    Add(counts_.runs_by_samples[samples], compute_s);
  }
}

NetworkStatistics::Snapshot NetworkStatistics::Read() const {
  const MutexLock lock(mu_);
  return counts_;
}

}  // namespace spikeserve::serving
