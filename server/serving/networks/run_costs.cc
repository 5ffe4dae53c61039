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
// What is over by then is not worth handing to another thread, which takes some 20 us and as much of the
// other core; and of a sample, what it may cost that others do not join.
constexpr double kShortRunSeconds = 200e-6;
constexpr double kShortSampleSeconds = 50e-6;
// Of what is usual, what a run counts for at most there: a thread may have to leave its core meanwhile.
constexpr double kMostUnusual = 1.5;

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

bool CostEstimate::IsShort(std::int64_t samples) const {
  const auto n = static_cast<double>(samples);
  const double alone_s = alone_fixed_s + alone_per_sample_s * n;
  return measured && alone_s > 0 && alone_s <= kShortRunSeconds && alone_s <= kShortSampleSeconds * n;
}

RunCosts::Kind RunCosts::KindOf(const engine::SimulationSpec& spec) {
  const bool varying = std::any_of(
      spec.inputs.begin(), spec.inputs.end(),
      [](const engine::InputFormat& input) { return input.per_step || input.encoding.has_value(); });
  return {static_cast<int>(HalfPowers(spec.settings.steps)),
          varying || spec.trajectories || spec.gross_statistics || !spec.request_probes.empty(),
          spec.early_exit.has_value()};
}

void RunCosts::Sums::Add(double samples, double seconds) {
  const auto add = [](double& sum, double value) { sum = kMemory * sum + value; };
  add(one, 1);
  add(n, samples);
  add(nn, samples * samples);
  add(t, seconds);
  add(nt, samples * seconds);
}

CostEstimate RunCosts::Sums::Fit() const {
  const double mean = t / n;  // of a sample
  const double spread = one * nn - n * n;
  if (spread <= kSpread * kSpread * n * n) {
    return {0, mean, true};
  }
  const double slope = std::max((one * nt - n * t) / spread, kLeastSlope * mean);
  const double fixed = (t - slope * n) / one;
  return fixed <= 0 ? CostEstimate{0, mean, true} : CostEstimate{fixed, slope, true};
}

CostEstimate RunCosts::Estimate(const engine::Network& network, const engine::SimulationSpec& spec) const {
  const Kind kind = KindOf(spec);
  const auto steps = static_cast<double>(spec.settings.steps);
  const MutexLock lock(mu_);
  const Costs* nearest = nullptr;
  int distance = 0;
  for (const auto& [other, costs] : kinds_) {
    if (other.every_step == kind.every_step && other.early_exit == kind.early_exit &&
        (nearest == nullptr || std::abs(other.steps - kind.steps) < std::abs(distance))) {
      nearest = &costs;
      distance = other.steps - kind.steps;
    }
  }
  if (nearest == nullptr) {
    return {0, GuessPerStep(network) * steps, false};
  }
  CostEstimate cost = nearest->runs.Fit();
  cost.patience = nearest->patience;
  if (nearest->alone.one > 0) {
    const CostEstimate alone = nearest->alone.Fit();
    cost.alone_fixed_s = alone.fixed_s;
    cost.alone_per_sample_s = alone.per_sample_s;
  }
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
    kind->second.runs.t *= kDoubt;
    kind->second.runs.nt *= kDoubt;
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
                     double seconds, double worked_s) {
  if (samples < 1 || steps < 1) {
    return;
  }
  // A run that ended early has done all that it had to.
  const double part =
      spec.early_exit ? 1 : static_cast<double>(steps) / static_cast<double>(spec.settings.steps);
  const auto n = static_cast<double>(samples);
  const MutexLock lock(mu_);
  Costs& costs = kinds_[KindOf(spec)];
  costs.runs.Add(n, seconds / part);
  if (worked_s > 0) {
    const double whole = worked_s / part;
    const bool first = costs.alone.one == 0;
    costs.alone.Add(n, first ? whole : std::min(whole, kMostUnusual * costs.alone.Fit().Seconds(samples)));
  }
}

}  // namespace spikeserve::serving
