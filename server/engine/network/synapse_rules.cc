#include "server/engine/network/synapse_rules.h"

#include <algorithm>
#include <cmath>

#include "kernels/math/filter_constants.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

constexpr double kMaxTau = 1e6;  // s
constexpr double kMaxCoefficient = 1e100;

// The rules of each kind. One use.
struct Rules {
  const std::string& where;
  const double dt_s;
  Violations& violations;

  void operator()(const Lowpass& lowpass) const { Time("lowpass tau", lowpass.tau); }
  void operator()(const Alpha& alpha) const { Time("alpha tau", alpha.tau); }
  void operator()(const Triangle& triangle) const {
    Time("triangle t", triangle.t);
    if (triangle.t <= kMaxTau && TriangleTaps(triangle, dt_s) > kMaxTaps) {
      violations.Add(where, ": triangle t is ", triangle.t, " s, more than the ", kMaxTaps, " steps of ",
                     dt_s, " s that it may last");
    }
  }

  void operator()(const LinearFilter& filter) const {
    constexpr std::size_t kMost = kernels::kMaxFilterOrder + 1;
    if (filter.den.empty() || filter.den.size() > kMost || filter.num.empty() ||
        filter.num.size() > filter.den.size()) {
      violations.Add(where, ": linear_filter has ", filter.num.size(), " and ", filter.den.size(),
                     " coefficients, wanted den with 1..", kMost, " and num with 1 and no more than den");
      return;
    }
    if (filter.den[0] == 0) {
      violations.Add(where, ": linear_filter den[0] is 0");
      return;
    }
    for (const std::vector<double>* list : {&filter.num, &filter.den}) {
      const bool good = std::all_of(list->begin(), list->end(), [&](double value) {
        return std::abs(value / filter.den[0]) <= kMaxCoefficient;  // false for what is not a number
      });
      if (!good || !std::isfinite(filter.den[0])) {
        violations.Add(where, ": linear_filter has a coefficient that is not finite or beyond ",
                       kMaxCoefficient, " times den[0]");
        return;
      }
    }
    if (!IsStable(filter.den, filter.discrete)) {
      violations.Add(where, ": linear_filter is unstable: a root of den lies ",
                     filter.discrete ? "on or outside of the unit circle" : "on or right of 0");
    }
  }

 private:
  void Time(const char* field, double value) const {
    if (!(value >= 0 && value <= kMaxTau)) {
      violations.Add(where, ": ", field, " is ", value, " s, wanted 0..", kMaxTau);
    }
  }
};

// Routh's array: the first column keeps its sign.
bool IsHurwitz(std::vector<double> p) {
  std::vector<double> upper, lower;
  for (std::size_t k = 0; k < p.size(); ++k) {
    (k % 2 == 0 ? upper : lower).push_back(p[k] / p[0]);
  }
  while (!lower.empty()) {
    if (!(lower[0] > 0)) {
      return false;
    }
    std::vector<double> next;
    for (std::size_t k = 1; k < upper.size(); ++k) {
      next.push_back(upper[k] - upper[0] / lower[0] * (k < lower.size() ? lower[k] : 0.0));
    }
    upper = std::move(lower);
    lower = std::move(next);
  }
  return true;
}

// Schur and Cohn's step down: every reflection coefficient is below 1.
bool IsSchur(std::vector<double> p) {
  while (p.size() > 1) {
    const double reflection = p.back() / p.front();
    if (!(std::abs(reflection) < 1)) {
      return false;
    }
    std::vector<double> lower;
    for (std::size_t k = 0; k + 1 < p.size(); ++k) {
      lower.push_back(p[k] - reflection * p[p.size() - 1 - k]);
    }
    p = std::move(lower);
  }
  return true;
}

}  // namespace

bool IsStable(const std::vector<double>& polynomial, bool discrete) {
  return discrete ? IsSchur(polynomial) : IsHurwitz(polynomial);
}

void CheckSynapse(const Synapse& synapse, std::int64_t delay_steps, double dt_s, const std::string& where,
                  Violations& violations) {
  if (synapse) {
    std::visit(Rules{where, dt_s, violations}, *synapse);
  }
  if (delay_steps < 0 || delay_steps > kMaxDelaySteps) {
    violations.Add(where, ": delay_steps is ", delay_steps, ", wanted 0..", kMaxDelaySteps);
  }
}

}  // namespace spikeserve::engine
