#include "server/rpc/encode_response.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "server/rpc/classification.h"
#include "server/rpc/enums.h"
#include "server/rpc/run_settings.h"

namespace spikeserve::rpc {
namespace {

const engine::ProbeDefinition& Definition(const ResponsePlan& plan, std::size_t probe) {
  return plan.network->network->definition().probes[static_cast<std::size_t>(plan.spec.probes[probe])];
}

// An array of `values` [samples, steps..., shape of the probe...].
void SetArray(const ResponsePlan& plan, std::size_t probe, std::span<const double> values,
              std::optional<std::int64_t> steps, v1::Array& array) {
  const engine::Network& network = *plan.network->network;
  array.set_name(Definition(plan, probe).name);
  array.set_data_type(ResponseType(plan.network->mode));
  array.add_shape(plan.samples);
  if (steps) array.add_shape(*steps);
  for (const std::int64_t dimension : network.shape(network.probe_target(plan.spec.probes[probe]))) {
    array.add_shape(dimension);
  }
  *array.mutable_data() = Pack(values, array.data_type());
}

enum class Trajectories { kNo, kYes };

template <typename Message>
void AddProbes(const ResponsePlan& plan, const engine::Reading& reading, Trajectories trajectories,
               Message& message) {
  for (std::size_t i = 0; i < reading.probes.size(); ++i) {
    v1::ProbeResult& result = *message.add_probes();
    result.set_name(Definition(plan, i).name);
    SetArray(plan, i, reading.probes[i].values, std::nullopt, *result.mutable_outputs());
    if (trajectories == Trajectories::kYes) {
      SetArray(plan, i, reading.probes[i].trajectory, reading.steps_done, *result.mutable_trajectory());
    }
  }
  if (plan.class_probe < 0) return;
  const engine::ProbeReading& outputs = reading.probes[static_cast<std::size_t>(plan.class_probe)];
  *message.mutable_classification() =
      Classify(outputs.values, outputs.size, plan.classification, ResponseType(plan.network->mode));
}

// Sums of one layer over the samples.
v1::LayerStatistics Summarize(const ResponsePlan& plan, const engine::Reading& reading, std::size_t layer) {
  const engine::SpikingLayer& info = plan.network->resident->spiking_layers()[layer];
  std::int64_t busiest = 0;
  std::int64_t silent = 0;
  v1::LayerStatistics statistics;
  for (const std::vector<engine::LayerActivity>& sample : reading.statistics) {
    const engine::LayerActivity& activity = sample[layer];
    statistics.set_spikes(statistics.spikes() + activity.spikes);
    statistics.set_synaptic_operations(statistics.synaptic_operations() + activity.synaptic_operations);
    busiest = std::max(busiest, activity.busiest_neuron_spikes);
    silent += activity.silent_neurons;
  }
  const double duration_s = static_cast<double>(plan.spec.settings.steps) * plan.spec.settings.dt_s;
  const double neurons = static_cast<double>(info.neurons) * static_cast<double>(plan.samples);
  statistics.set_layer(info.name);
  statistics.set_neurons(info.neurons);
  statistics.set_mean_rate_hz(static_cast<double>(statistics.spikes()) / (neurons * duration_s));
  statistics.set_max_rate_hz(static_cast<double>(busiest) / duration_s);
  statistics.set_silent_fraction(static_cast<double>(silent) / neurons);
  return statistics;
}

void SetSettings(const ResponsePlan& plan, v1::EffectiveSettings& settings) {
  settings.set_network(plan.network->name);
  settings.set_version(plan.network->version);
  settings.set_mode(Encode(plan.network->mode));
  settings.set_backend(plan.network->backend);
  EncodeSettings(plan.spec.settings, settings);
}

}  // namespace

v1::SimulateResponse EncodeResponse(const ResponsePlan& plan, const serving::RunOutcome& outcome,
                                    double total_s) {
  v1::SimulateResponse response;
  AddProbes(plan, outcome.reading, plan.spec.trajectories ? Trajectories::kYes : Trajectories::kNo, response);
  if (plan.spec.statistics) {
    const std::size_t layers = plan.network->resident->spiking_layers().size();
    for (std::size_t layer = 0; layer < layers; ++layer) {
      *response.add_statistics() = Summarize(plan, outcome.reading, layer);
    }
  }
  v1::Timing& timing = *response.mutable_timing();
  timing.set_queue_s(outcome.queue_s);
  timing.set_compute_s(outcome.compute_s);
  timing.set_total_s(total_s);
  timing.set_batch_size(outcome.batch_size);
  SetSettings(plan, *response.mutable_settings());
  return response;
}

v1::Progress EncodeProgress(const ResponsePlan& plan, const engine::Reading& reading) {
  v1::Progress progress;
  progress.set_steps_done(reading.steps_done);
  AddProbes(plan, reading, Trajectories::kNo, progress);
  return progress;
}

}  // namespace spikeserve::rpc
