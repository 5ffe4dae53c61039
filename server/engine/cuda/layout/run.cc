#include "server/engine/cuda/layout/run.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/cuda/cells.h"
#include "server/engine/cuda/layout/neurons.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/run/constants/run_constants.h"
#include "server/engine/run/layers.h"

namespace spikeserve::engine {
namespace {

constexpr std::int32_t kLargestCount = (1 << 24) - 1;  // of any neuron and step

template <typename T>
void Append(std::string& key, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  key.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendEncoding(std::string& key, const Encoding& encoding) {
  Append(key, encoding.kind);
  Append(key, encoding.max_rate_hz);
  Append(key, encoding.window_steps);
  Append(key, encoding.max_spikes);
  Append(key, encoding.min_gap);
  Append(key, encoding.max_gap);
}

void AppendExit(std::string& key, const SimulationSpec& spec) {
  const EarlyExit exit = spec.early_exit.value_or(EarlyExit{});
  Append(key, spec.early_exit.has_value());
  Append(key, exit.probe);
  Append(key, exit.min_steps);
  Append(key, exit.check_every);
  Append(key, exit.margin);
}

void AppendRequestProbe(std::string& key, const RequestProbe& probe) {
  Append(key, probe.operation);
  Append(key, probe.quantity);
  Append(key, probe.filter_tau_s.value_or(-1));
  Append(key, probe.recording.reduction);
  Append(key, probe.recording.first_step);
  Append(key, probe.recording.last_step);
  Append(key, probe.recording.every);
}

CudaFilterConstants GeneralFilter(const Synapse& synapse, std::int64_t delay_steps, double dt_s) {
  return IsSimple(synapse, delay_steps)
             ? nullptr
             : std::make_shared<const kernels::FilterConstants>(MakeFilter(synapse, delay_steps, dt_s));
}

}  // namespace

CudaRun::CudaRun(const Plan& of_plan, const CudaWeights& of_weights, CheckedSpec of_spec)
    : LayerUse(of_plan, std::move(of_spec)),
      weights(&of_weights),
      closed_layers(PlanClosedForm(*this)),
      populations(of_plan.populations.size()) {
  for (std::size_t l = 0; l < stepped.size(); ++l) {
    stepped[l] = stepped[l] && !IsClosed(l);
  }
  MarkInputs();
  MarkFolds();
  MarkClosed();
  MarkReaders();
  MakeFilters();
}

void CudaRun::MakeFilters() {
  const double dt_s = spec->settings.dt_s;
  for (const Layer& layer : plan->layers) {
    std::vector<CudaFilterConstants>& of_layer = term_filters.emplace_back();
    for (const Term& term : layer.terms) {
      of_layer.push_back(GeneralFilter(term.synapse, term.delay_steps, dt_s));
    }
  }
  for (std::size_t p = 0; p < spec->probes.size(); ++p) {
    probe_filters.push_back(GeneralFilter(probe(p).synapse, probe(p).delay_steps, dt_s));
  }
}

void CudaRun::MarkInputs() {
  for (std::size_t i = 0; i < populations.size(); ++i) {
    populations[i].count_limit = kLargestCount;
    if (plan->populations[i].layer < 0) {
      populations[i].stored = true;
      populations[i].encoded = spec->inputs[i].encoding.has_value();
      populations[i].held = !spec->inputs[i].per_step && !populations[i].encoded;
      populations[i].bytes = HasByteValues(spec->inputs[i]);
    }
  }
}

// The first fold of a spiking population is fused into its scan, others read its counts.
void CudaRun::MarkFolds() {
  for (std::size_t p = 0; p < folded.size(); ++p) {
    const std::vector<Term>& terms = probed_layer(p).terms;
    for (std::size_t t = 0; folded[p] && t < terms.size(); ++t) {
      CudaPopulation& source = populations[Index(terms[t].population)];
      source.as_values = true;
      if (population(terms[t].population).spiking && source.fused_probe < 0) {
        source.fused_probe = static_cast<std::int64_t>(p);
        source.fused_term = t;
      } else {
        source.stored = !IsClosedPopulation(terms[t].population);
      }
    }
  }
}

bool CudaRun::HasClosed() const {
  return std::any_of(closed_layers.begin(), closed_layers.end(),
                     [](const ClosedLayer& layer) { return layer.closed(); });
}

bool CudaRun::IsWhole(std::size_t layer, std::size_t term) const {
  const std::int64_t source = plan->layers[layer].terms[term].population;
  return population(source).spiking || ReadsBytes(*plan, plan->layers[layer], source, *spec);
}

bool CudaRun::HasTotals(std::size_t layer, std::size_t term) const {
  return closed_layers[layer].sources[term] == ChargeSource::kTotals;
}

bool CudaRun::IsRounded(std::size_t layer, std::size_t term) const {
  return closed_layers[layer].sources[term] == ChargeSource::kSteps && !IsWhole(layer, term);
}

std::size_t CudaRun::OperandOf(std::size_t layer, std::size_t term) const { return operands_[layer][term]; }

void CudaRun::MarkClosed() {
  operand_count = populations.size();
  for (std::size_t l = 0; l < closed_layers.size(); ++l) {
    std::vector<std::size_t>& of_layer = operands_.emplace_back();
    for (std::size_t t = 0; IsClosed(l) && t < plan->layers[l].terms.size(); ++t) {
      const std::int64_t source = plan->layers[l].terms[t].population;
      const CudaTerm& term = weights->term(l, t);
      const bool direct = closed_layers[l].sources[t] == ChargeSource::kClosed &&
                          term.gather_start == nullptr && term.bytes != nullptr;
      populations[Index(source)].read_as_digits = populations[Index(source)].read_as_digits || direct;
      populations[Index(source)].as_values = populations[Index(source)].as_values || !IsWhole(l, t);
      of_layer.push_back(direct ? Index(source) : operand_count++);
    }
  }
  const auto held = [](const CudaPopulation& input) { return input.held; };
  const auto inputs = static_cast<std::ptrdiff_t>(spec->inputs.size());
  takes_steps = std::find(stepped.begin(), stepped.end(), true) != stepped.end() ||
                !std::all_of(populations.begin(), populations.begin() + inputs, held);
}

void CudaRun::MarkReaders() {
  for (std::size_t p = 0; p < spec->probes.size(); ++p) {
    const std::int64_t probed = probed_layer(p).population;
    if (IsStepped(p) && probed >= 0 && probe(p).quantity != ProbeQuantity::kVoltage) {
      populations[Index(probed)].stored = true;
    }
  }
  for (std::size_t r = 0; r < record_layers.size(); ++r) {
    const std::int64_t recorded = plan->layers[Index(record_layers[r])].population;
    const ProbeQuantity quantity = spec->request_probes[r].quantity;
    if (recorded >= 0 && quantity != ProbeQuantity::kVoltage && quantity != ProbeQuantity::kCurrent) {
      populations[Index(recorded)].stored = true;
    }
  }
  for (std::size_t l = 0; l < stepped.size(); ++l) {
    for (std::size_t t = 0; IsClosed(l) && t < plan->layers[l].terms.size(); ++t) {
      const std::int64_t source = plan->layers[l].terms[t].population;
      populations[Index(source)].stored = populations[Index(source)].stored || !IsClosedPopulation(source);
    }
    for (std::size_t t = 0; stepped[l] && t < plan->layers[l].terms.size(); ++t) {
      const std::int64_t source = plan->layers[l].terms[t].population;
      const CudaTerm& term = weights->term(l, t);
      populations[Index(source)].stored = true;
      if (population(source).spiking) {
        const std::int32_t limit = term.digits != nullptr ? term.digit_limit : term.fail_above;
        populations[Index(source)].count_limit = std::min(populations[Index(source)].count_limit, limit);
      }
    }
  }
  for (std::size_t i = 0; i < populations.size(); ++i) {
    if (plan->populations[i].spiking && populations[i].stored) {
      populations[i].count_limit = std::min(populations[i].count_limit, cuda::kLargestHalfCount);
    }
  }
}

bool CudaRun::IsProbed(std::size_t layer, bool voltage) const {
  for (std::size_t p = 0; p < spec->probes.size(); ++p) {
    if (Index(probe(p).layer) == layer && IsStepped(p) &&
        (probe(p).quantity == ProbeQuantity::kVoltage) == voltage) {
      return true;
    }
  }
  return false;
}

bool CudaRun::HasProbeFilter(std::size_t layer) const {
  for (std::size_t p = 0; p < spec->probes.size(); ++p) {
    if (Index(probe(p).layer) == layer && probe_filters[p] != nullptr) {
      return true;
    }
  }
  return false;
}

bool CudaRun::IsRecorded(std::size_t layer, ProbeQuantity quantity) const {
  for (std::size_t r = 0; r < record_layers.size(); ++r) {
    if (Index(record_layers[r]) == layer && spec->request_probes[r].quantity == quantity) {
      return true;
    }
  }
  return false;
}

bool CudaRun::Draws() const {
  return HasRandomNeurons(*plan) || std::any_of(populations.begin(), populations.end(),
                                                [](const CudaPopulation& input) { return input.encoded; });
}

std::string SpecKey(const SimulationSpec& spec) {
  std::string key;
  const RunSettings& settings = spec.settings;
  Append(key, settings.dt_s);
  Append(key, settings.steps);
  Append(key, settings.readout.kind);
  Append(key, settings.readout.skip_steps);
  for (const InputFormat& input : spec.inputs) {
    Append(key, input.type);
    Append(key, input.per_step);
    Append(key, input.encoding.has_value());
    AppendEncoding(key, input.encoding.value_or(Encoding{}));
  }
  for (const std::int64_t probe : spec.probes) {
    Append(key, probe);
  }
  Append(key, spec.trajectories);
  Append(key, spec.statistics);
  Append(key, spec.session);
  AppendExit(key, spec);
  for (const RequestProbe& probe : spec.request_probes) {
    AppendRequestProbe(key, probe);
  }
  return key;
}

}  // namespace spikeserve::engine
