#include "server/serving/networks/run_costs.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace spikeserve::serving {
namespace {

// Of a core that does not know the network yet: 5 ps for a synapse and 1 ns for a neuron, each step. Neither
// fast nor slow: the first run says what is true.
constexpr double kSynapseSeconds = 5e-12;
constexpr double kNeuronSeconds = 1e-9;
// What an older run counts beside the next one of its kind.
constexpr double kMemory = 0.9;
// What is left of an estimate after a refusal because of it.
constexpr double kDoubt = 0.98;
// Numbers of samples further apart than this, relative to their mean, tell what a sample costs and what a
// run.
constexpr double kSpread = 0.05;
// What a sample more costs at least, of what a sample costs on average: times vary, and what was seen of a
// few samples says little of thousands.
constexpr double kLeastSlope = 0.25;
// What a delay becomes after one that brought nobody, and what is added to it after one that did: additive
// increase, multiplicative decrease. It never ends quite, else nothing would tell that it pays again.
constexpr double kLessPatience = 0.5;
constexpr double kMorePatience = 0.125;
constexpr double kLeastPatience = 1.0 / 64;
constexpr double kWorthIt = 0.1;
constexpr double kMostSamples = 1 << 30;

double GuessPerStep(const engine::Network& network) {
  return kSynapseSeconds * static_cast<double>(network.synapses()) +
         kNeuronSeconds * static_cast<double>(network.neurons());
}

double HalfPowers(std::int64_t steps) {
  return 2 * std::log2(static_cast<double>(std::max<std::int64_t>(steps, 1)));
}

}  // namespace

std::int64_t CostEstimate::Knee() const {
  if (!measured || fixed_s <= 0) {
    return 1;
  }
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::min(fixed_s / (kWorthIt * per_sample_s), kMostSamples)));
}

RunCosts::Kind RunCosts::KindOf(const engine::SimulationSpec& spec) {
  const bool varying = std::any_of(
      spec.inputs.begin(), spec.inputs.end(),
      [](const engine::InputFormat& input) { return input.per_step || input.encoding.has_value(); });
  return {static_cast<int>(HalfPowers(spec.settings.steps)),
          varying || spec.trajectories || spec.gross_statistics || !spec.request_probes.empty(),
          spec.early_exit.has_value()};
}

CostEstimate RunCosts::Fit(const Sums& sums) {
  const double mean = sums.t / sums.n;  // of a sample
  const double spread = sums.one * sums.nn - sums.n * sums.n;
  if (spread <= kSpread * kSpread * sums.n * sums.n) {
    return {0, mean, true};
  }
  const double slope = std::max((sums.one * sums.nt - sums.n * sums.t) / spread, kLeastSlope * mean);
  const double fixed = (sums.t - slope * sums.n) / sums.one;
  return fixed <= 0 ? CostEstimate{0, mean, true} : CostEstimate{fixed, slope, true};
}

CostEstimate RunCosts::Estimate(const engine::Network& network, const engine::SimulationSpec& spec) const {
  const Kind kind = KindOf(spec);
  const auto steps = static_cast<double>(spec.settings.steps);
  const MutexLock lock(mu_);
  const Sums* nearest = nullptr;
  int distance = 0;
  for (const auto& [other, sums] : kinds_) {
    if (other.every_step == kind.every_step && other.early_exit == kind.early_exit &&
        (nearest == nullptr || std::abs(other.steps - kind.steps) < std::abs(distance))) {
      nearest = &sums;
      distance = other.steps - kind.steps;
    }
  }
  if (nearest == nullptr) {
    return {0, GuessPerStep(network) * steps, false};
  }
  CostEstimate cost = Fit(*nearest);
  cost.patience = nearest->patience;
  if (distance < 0) {  // fewer steps: more may cost more in proportion, but not beyond
    const double more = std::exp2(-distance / 2.0);
    cost = {cost.fixed_s * more, cost.per_sample_s * more, false, cost.patience};
  } else if (distance > 0) {
    cost.measured = false;
  }
  return cost;
}

void RunCosts::Doubt(const engine::SimulationSpec& spec) {
  const MutexLock lock(mu_);
  const auto kind = kinds_.find(KindOf(spec));
  if (kind != kinds_.end()) {
    kind->second.t *= kDoubt;
    kind->second.nt *= kDoubt;
  }
}

void RunCosts::Waited(const engine::SimulationSpec& spec, bool joined) {
  const MutexLock lock(mu_);
  const auto kind = kinds_.find(KindOf(spec));
  if (kind != kinds_.end()) {
    double& patience = kind->second.patience;
    patience =
        joined ? std::min(patience + kMorePatience, 1.0) : std::max(patience * kLessPatience, kLeastPatience);
  }
}

void RunCosts::Learn(const engine::SimulationSpec& spec, std::int64_t samples, std::int64_t steps,
                     double seconds) {
  if (samples < 1 || steps < 1) {
    return;
  }
  // A run that ended early has done all that it had to.
  const double part =
      spec.early_exit ? 1 : static_cast<double>(steps) / static_cast<double>(spec.settings.steps);
  const double whole = seconds / part;
  const auto n = static_cast<double>(samples);
  const MutexLock lock(mu_);
  Sums& sums = kinds_[KindOf(spec)];
  const auto add = [](double& sum, double value) { sum = kMemory * sum + value; };
  add(sums.one, 1);
  add(sums.n, n);
  add(sums.nn, n * n);
  add(sums.t, whole);
  add(sums.nt, n * whole);
}

}  // namespace spikeserve::serving
