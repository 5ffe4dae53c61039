#include "server/rpc/encode/encode_response.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/rpc/decode/classification.h"
#include "server/rpc/decode/decode_encodings.h"
#include "server/rpc/decode/decode_request_probes.h"
#include "server/rpc/decode/run_settings.h"
#include "server/rpc/encode/encode_records.h"
#include "server/rpc/encode/output_activation.h"
#include "server/rpc/encode/run_warnings.h"
#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {
namespace {

const engine::ProbeDefinition& Definition(const AnswerSpec& answer, std::size_t probe) {
  return answer.network->network->definition().probes[static_cast<std::size_t>(answer.spec->probes[probe])];
}

// An array of `values` [samples, steps..., shape of the probe...].
void SetArray(const AnswerSpec& answer, std::size_t probe, std::span<const double> values,
              std::optional<std::int64_t> steps, v1::Array& array) {
  const engine::Network& network = *answer.network->network;
  array.set_name(Definition(answer, probe).name);
  array.set_data_type(ResponseType(answer.network->mode));
  array.add_shape(answer.samples);
  if (steps) {
    array.add_shape(*steps);
  }
  for (const std::int64_t dimension : network.shape(network.probe_target(answer.spec->probes[probe]))) {
    array.add_shape(dimension);
  }
  *array.mutable_data() = Pack(values, array.data_type());
}

enum class Trajectories { kNo, kYes };

template <typename Message>
void AddProbes(const AnswerSpec& answer, const engine::Reading& reading, Trajectories trajectories,
               std::int64_t steps, Message& message) {
  for (std::size_t i = 0; i < reading.probes.size(); ++i) {
    v1::ProbeResult& result = *message.add_probes();
    result.set_name(Definition(answer, i).name);
    SetArray(answer, i, reading.probes[i].values, std::nullopt, *result.mutable_outputs());
    if (const auto* activation = ActivationOf(*answer.network, answer.spec->probes[i])) {
      *result.mutable_activation() = Encode(*activation);
    }
    if (trajectories == Trajectories::kYes) {
      SetArray(answer, i, reading.probes[i].trajectory, steps, *result.mutable_trajectory());
    }
  }
  if (answer.class_probe < 0) {
    return;
  }
  const engine::ProbeReading& outputs = reading.probes[static_cast<std::size_t>(answer.class_probe)];
  *message.mutable_classification() =
      Classify(outputs.values, outputs.size, answer.classification, ResponseType(answer.network->mode));
}

// Sums of one layer over the samples.
v1::LayerStatistics Summarize(const AnswerSpec& answer, const engine::Reading& reading, std::size_t layer) {
  const engine::SpikingLayer& info = answer.network->resident->spiking_layers()[layer];
  double busiest_hz = 0;
  double duration_s = 0;  // of all samples
  std::int64_t silent = 0;
  v1::LayerStatistics statistics;
  for (std::size_t sample = 0; sample < reading.statistics.size(); ++sample) {
    const engine::LayerActivity& activity = reading.statistics[sample][layer];
    const std::int64_t steps = reading.steps_used.empty() ? reading.steps_done : reading.steps_used[sample];
    const double sample_s = static_cast<double>(steps) * answer.spec->settings.dt_s;
    duration_s += sample_s;
    statistics.set_spikes(statistics.spikes() + activity.spikes);
    statistics.set_synaptic_operations(statistics.synaptic_operations() + activity.synaptic_operations);
    if (steps > 0) {
      busiest_hz = std::max(busiest_hz, static_cast<double>(activity.busiest_neuron_spikes) / sample_s);
    }
    silent += activity.silent_neurons;
  }
  const double neurons = static_cast<double>(info.neurons) * static_cast<double>(answer.samples);
  statistics.set_layer(info.name);
  statistics.set_neurons(info.neurons);
  if (duration_s > 0) {
    statistics.set_mean_rate_hz(static_cast<double>(statistics.spikes()) /
                                (static_cast<double>(info.neurons) * duration_s));
  }
  statistics.set_max_rate_hz(busiest_hz);
  statistics.set_silent_fraction(static_cast<double>(silent) / neurons);
  statistics.set_net(info.memory && !answer.spec->gross_statistics);
  return statistics;
}

Trajectories Wanted(const AnswerSpec& answer) {
  return answer.spec->trajectories ? Trajectories::kYes : Trajectories::kNo;
}

template <typename Message>
void AddStatistics(const AnswerSpec& answer, const engine::Reading& reading, Message& message) {
  if (!answer.spec->statistics) {
    return;
  }
  const std::size_t layers = answer.network->resident->spiking_layers().size();
  for (std::size_t layer = 0; layer < layers; ++layer) {
    *message.add_statistics() = Summarize(answer, reading, layer);
  }
}

}  // namespace

void SetSettings(const AnswerSpec& answer, v1::EffectiveSettings& settings) {
  settings.set_network(answer.network->name);
  settings.set_version(answer.network->version);
  settings.set_mode(Encode(answer.network->mode));
  settings.set_backend(answer.network->backend);
  EncodeSettings(answer.spec->settings, settings);
  if (answer.spec->early_exit) {
    EncodeEarlyExit(*answer.spec->early_exit, *settings.mutable_early_exit());
  }
  EncodeEncodings(*answer.network->network, answer.spec->inputs, *settings.mutable_encodings());
}

v1::SimulateResponse EncodeResponse(const AnswerSpec& answer, const serving::RunOutcome& outcome,
                                    double total_s) {
  v1::SimulateResponse response;
  const engine::Reading& reading = *outcome.reading;
  AddProbes(answer, reading, Wanted(answer), reading.steps_done, response);
  AddStatistics(answer, reading, response);
  v1::Timing& timing = *response.mutable_timing();
  timing.set_queue_s(outcome.queue_s);
  timing.set_compute_s(outcome.compute_s);
  timing.set_total_s(total_s);
  timing.set_batch_size(outcome.batch_size);
  timing.set_cached(outcome.reuse == serving::Reuse::kCached);
  timing.set_coalesced(outcome.reuse == serving::Reuse::kCoalesced);
  SetSettings(answer, *response.mutable_settings());
  response.mutable_steps_used()->Assign(reading.steps_used.begin(), reading.steps_used.end());
  EncodeRecords(answer, reading, *response.mutable_records());
  for (std::string& warning : RunWarnings(answer, reading)) {
    response.add_warnings(std::move(warning));
  }
  return response;
}

v1::Progress EncodeProgress(const AnswerSpec& answer, const engine::Reading& reading) {
  v1::Progress progress;
  progress.set_steps_done(reading.steps_done);
  AddProbes(answer, reading, Trajectories::kNo, 0, progress);
  return progress;
}

v1::SessionProgress EncodeSessionProgress(const AnswerSpec& answer, const engine::Reading& reading,
                                          std::int64_t steps) {
  v1::SessionProgress progress;
  progress.set_steps_done(reading.steps_done);
  progress.mutable_sample_steps()->Assign(reading.steps_used.begin(), reading.steps_used.end());
  AddProbes(answer, reading, Wanted(answer), steps, progress);
  AddStatistics(answer, reading, progress);
  EncodeRecords(answer, reading, *progress.mutable_records());
  return progress;
}

}  // namespace spikeserve::rpc
