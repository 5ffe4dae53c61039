#include "server/engine/run/constants/readout_correction.h"

#include <algorithm>
#include <utility>

#include "server/base/overloaded.h"
#include "server/engine/network/index.h"
#include "server/engine/run/constants/reference_filter.h"

namespace spikeserve::engine {
namespace {

// What a filter shows of one signal at its next step.
double Step(ReferenceFilter& filter, double value) {
  filter.Step(std::span(&value, 1));
  return value;
}

}  // namespace

FilterPaths FindFilterPaths(const Plan& plan) {
  FilterPaths paths;
  for (const Layer& layer : plan.layers) {
    paths.layers.emplace_back();
    for (const Term& term : layer.terms) {
      paths.layers.back().push_back(
          {plan.populations[Index(term.population)].layer, term.synapse, term.delay_steps});
    }
  }
  for (const ProbePlan& probe : plan.probes) {
    const Layer& layer = plan.layers[Index(probe.layer)];
    FilterPaths::Probe path{probe.layer, probe.synapse, probe.delay_steps, false, {}};
    std::visit(Overloaded{[&](const NeuronLayer&) { path.corrected = true; },
                          [&](const LinearLayer&) {
                            path.corrected = true;
                            path.bias = layer.constant;
                          },
                          [](const ActivationLayer&) {}},
               layer.kind);
    path.corrected = path.corrected && probe.quantity != ProbeQuantity::kVoltage;
    paths.probes.push_back(std::move(path));
  }
  return paths;
}

ReadoutCorrection::ReadoutCorrection(const FilterPaths& paths, const SimulationSpec& spec)
    : skip_(spec.settings.readout.skip_steps) {
  if (spec.settings.readout.kind != ReadoutKind::kCorrectedMean) {
    return;
  }
  for (const std::int64_t index : spec.probes) {
    const FilterPaths::Probe& probe = paths.probes[Index(index)];
    probes_.push_back({probe.corrected, probe.bias, {}, {}});
  }
  Run(paths, spec);
}

// The response of every layer to inputs that begin at step 1 and stay: a layer follows the mean of what its
// filtered terms show, and a neuron's rate follows its current.
void ReadoutCorrection::Run(const FilterPaths& paths, const SimulationSpec& spec) {
  const double dt_s = spec.settings.dt_s;
  std::vector<std::vector<ReferenceFilter>> filters(paths.layers.size());
  for (std::size_t l = 0; l < paths.layers.size(); ++l) {
    for (const FilterPaths::Term& term : paths.layers[l]) {
      filters[l].emplace_back(term.synapse, term.delay_steps, dt_s, 1);
    }
  }
  // [probe of the spec]: what is driven, what is constant.
  std::vector<std::pair<ReferenceFilter, ReferenceFilter>> shown;
  for (const std::int64_t index : spec.probes) {
    const FilterPaths::Probe& probe = paths.probes[Index(index)];
    const ReferenceFilter filter(probe.synapse, probe.delay_steps, dt_s, 1);
    shown.emplace_back(filter, filter);
  }
  std::vector<double> response(paths.layers.size());
  for (std::int64_t step = 1; step <= spec.settings.steps; ++step) {
    for (std::size_t l = 0; l < paths.layers.size(); ++l) {
      double sum = 0;
      for (std::size_t t = 0; t < filters[l].size(); ++t) {
        const std::int64_t source = paths.layers[l][t].source;
        sum += Step(filters[l][t], source < 0 ? 1 : response[Index(source)]);
      }
      response[l] = filters[l].empty() ? 1 : sum / static_cast<double>(filters[l].size());
    }
    for (std::size_t p = 0; p < probes_.size(); ++p) {
      const double counted = step > skip_ ? 1 : 0;
      const std::size_t layer = Index(paths.probes[Index(spec.probes[p])].layer);
      const auto add = [&](double value, std::vector<double>& sums) {
        sums.push_back((sums.empty() ? 0 : sums.back()) + counted * value);
      };
      add(Step(shown[p].first, response[layer]), probes_[p].driven);
      add(Step(shown[p].second, 1), probes_[p].constant);
    }
  }
}

void ReadoutCorrection::Apply(std::size_t index, std::int64_t steps, std::span<double> values) const {
  if (index >= probes_.size() || !probes_[index].corrected || steps <= skip_) {
    return;
  }
  const Factors& probe = probes_[index];
  const auto counted = static_cast<double>(steps - skip_);
  const double driven = probe.driven[Index(steps - 1)] / counted;
  const double constant = probe.constant[Index(steps - 1)] / counted;
  for (std::size_t j = 0; j < values.size(); ++j) {
    const double bias = probe.bias.empty() ? 0 : probe.bias[j];
    values[j] = bias + (driven > 0 ? (values[j] - constant * bias) / driven : 0);
  }
}

}  // namespace spikeserve::engine
