#pragma once

#include <compare>
#include <cstdint>
#include <map>

#include "server/base/mutex.h"
#include "server/engine/run/checked_spec.h"

namespace spikeserve::serving {

// What is expected of a run, by the clock on the wall, with all the threads that it gets.
struct CostEstimate {
  double fixed_s = 0;       // whatever the number of samples
  double per_sample_s = 0;  // of each sample, all its steps
  bool measured = false;    // from runs of about as many steps; else a guess
  double patience = 1;      // of the longest delay, what it pays to wait for others to join
  // The same on one thread alone, as it usually is; of no sample where nobody knows.
  double alone_fixed_s = 0;
  double alone_per_sample_s = 0;

  // Samples beyond which one more saves less than a tenth of what it costs; 1 where a run costs nothing by
  // itself.
  std::int64_t Knee() const;
  double Seconds(std::int64_t samples) const { return fixed_s + per_sample_s * static_cast<double>(samples); }
  // Whether one thread simulates so many samples about as soon as it has handed them to another.
  bool IsShort(std::int64_t samples) const;
};

// What runs of one network have taken, by their number of steps and by what they are asked for. Thread-safe.
class RunCosts {
 public:
  // Of a run of `network`; before the first one a guess by its size.
  CostEstimate Estimate(const engine::Network& network, const engine::SimulationSpec& spec) const;
  // A request was refused for the cost of its run alone, which is not measured then: what is refused again
  // and again is tried once more in the end.
  void Doubt(const engine::SimulationSpec& spec);
  // A request waited for others: did any come?
  void Waited(const engine::SimulationSpec& spec, bool joined);
  // A run of so many samples took `seconds` for `steps` of its steps. `worked_s` is the time of all threads
  // together; 0 where it is not known.
  void Learn(const engine::SimulationSpec& spec, std::int64_t samples, std::int64_t steps, double seconds,
             double worked_s = 0);

 private:
  // Runs that cost about the same per sample.
  struct Kind {
    int steps = 0;  // twice the binary logarithm of their number
    bool every_step = false;
    bool early_exit = false;

    auto operator<=>(const Kind&) const = default;
  };
  // Sums over the runs of a kind, older ones weighing less: of 1, n, n*n, t and n*t for n samples in t
  // seconds.
  struct Sums {
    double one = 0;
    double n = 0;
    double nn = 0;
    double t = 0;
    double nt = 0;

    void Add(double samples, double seconds);
    // `fixed_s` and `per_sample_s`, measured.
    CostEstimate Fit() const;
  };
  struct Costs {
    Sums runs;
    Sums alone;  // by the time of all threads
    double patience = 1;
  };

  static Kind KindOf(const engine::SimulationSpec& spec);

  mutable Mutex mu_;
  std::map<Kind, Costs> kinds_ SPIKESERVE_GUARDED_BY(mu_);  // at most two for each half power of two
};

}  // namespace spikeserve::serving
