#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/serving/metrics/openmetrics.h"

namespace spikeserve::serving {

// The last recorded trace of each bucket of a histogram that has one label. Thread-safe.
class Exemplars {
 public:
  // `bounds` are those of the histogram.
  explicit Exemplars(std::vector<double> bounds) : bounds_(std::move(bounds)) {}

  void Set(const std::string& label_value, double value, const std::string& trace_id) {
    const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    const MutexLock lock(mu_);
    auto& buckets = by_value_[label_value];
    buckets.resize(bounds_.size() + 1);
    buckets[static_cast<std::size_t>(bucket)] = {trace_id, value, UnixSeconds()};
  }

  std::optional<Exemplar> Get(const std::string& label_value, double upper_bound) const {
    const auto bucket = std::isinf(upper_bound)
                            ? bounds_.end() - bounds_.begin()
                            : std::lower_bound(bounds_.begin(), bounds_.end(), upper_bound) - bounds_.begin();
    const MutexLock lock(mu_);
    const auto found = by_value_.find(label_value);
    if (found == by_value_.end() || found->second[static_cast<std::size_t>(bucket)].trace_id.empty()) {
      return std::nullopt;
    }
    return found->second[static_cast<std::size_t>(bucket)];
  }

 private:
  static double UnixSeconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  const std::vector<double> bounds_;
  mutable Mutex mu_;
  std::map<std::string, std::vector<Exemplar>> by_value_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
