// The answers of a CudaSimulation.

#include <algorithm>
#include <cmath>
#include <string>

#include "server/engine/cuda_simulation.h"

namespace spikeserve::engine {

Result<Reading> CudaSimulation::Read() {
  if (!status_.ok()) {
    return status_;
  }
  try {
    Download(CountedSteps());
    return MakeReading();
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
    return status_;
  }
}

// Steps that a mean is over: 0 for the last step's value, negative where there is none yet.
std::int64_t CudaSimulation::CountedSteps() const {
  const Readout& readout = run_.spec.settings.readout;
  const bool mean = readout.kind != ReadoutKind::kLast;
  if (done_ == 0 || (mean && done_ <= readout.skip_steps)) {
    return -1;
  }
  return mean ? done_ - readout.skip_steps : 0;
}

void CudaSimulation::Download(std::int64_t counted) {
  std::vector<float> bias_factors(run_.folded.size(), 0.0F);
  for (std::size_t p = 0; p < bias_factors.size() && counted >= 0; ++p) {
    const std::span<float> factor(&bias_factors[p], 1);
    counted > 0 ? bias_folds_[p].Mean(counted, factor) : bias_folds_[p].Last(factor);
  }
  cuda::Queue& queue = workspace_->queue();
  const CudaBuffers& buffers = workspace_->buffers();
  CudaStaging& staging = workspace_->staging();
  queue.Run(ReadingProgram(workspace_->scene(), std::max<std::int64_t>(0, counted), bias_factors));
  const std::size_t samples = Index(workspace_->launch().samples);
  queue.Download(staging.failed, buffers.failed, samples * sizeof(std::int32_t));
  queue.Download(staging.sample_spikes, buffers.sample_spikes, samples * sizeof(std::int64_t));
  for (std::size_t p = 0; p < run_.folded.size(); ++p) {
    const std::size_t count = samples * Index(run_.probe(p).size);
    const float* const values = run_.folded[p] ? buffers.probes[p].answer : buffers.probes[p].last;
    queue.Download(staging.answers[p], values, count * sizeof(float));
    if (!run_.folded[p]) {
      queue.Download(staging.sums[p], buffers.probes[p].sum, count * sizeof(double));
    }
  }
  for (std::size_t l = 0; l < staging.activity.size(); ++l) {
    if (staging.activity[l] != nullptr) {
      queue.Download(staging.activity[l], buffers.layers[l].activity, samples * sizeof(cuda::ActivitySum));
    }
  }
  queue.Wait();
}

Reading CudaSimulation::MakeReading() {
  CudaStaging& staging = workspace_->staging();
  Reading reading;
  reading.steps_done = done_;
  reading.spikes.assign(staging.sample_spikes, staging.sample_spikes + samples_.size());
  for (std::size_t p = 0; p < run_.folded.size(); ++p) {
    ReadProbe(p, CountedSteps(), reading);
  }
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    reading.sample_status.push_back(SampleStatus(i, reading));
    if (!run_.spec.statistics) {
      continue;
    }
    std::vector<LayerActivity>& of_sample = reading.statistics.emplace_back();
    for (const std::int64_t layer : run_.plan->spiking_layers) {
      const cuda::ActivitySum& sum = staging.activity[Index(layer)][i];
      of_sample.push_back({sum.spikes, sum.busiest, sum.silent, sum.synaptic_operations});
    }
  }
  return reading;
}

void CudaSimulation::ReadProbe(std::size_t index, std::int64_t counted, Reading& reading) const {
  const CudaStaging& staging = workspace_->staging();
  ProbeReading& probe = reading.probes.emplace_back();
  probe.size = run_.probe(index).size;
  const std::size_t count = samples_.size() * Index(probe.size);
  probe.values.assign(count, 0.0);
  if (counted >= 0 && (run_.folded[index] || counted == 0)) {
    std::copy_n(staging.answers[index], count, probe.values.begin());
  } else if (counted > 0) {
    std::transform(staging.sums[index], staging.sums[index] + count, probe.values.begin(),
                   [counted](double sum) { return sum / static_cast<double>(counted); });
  }
  if (!run_.spec.trajectories) {
    return;
  }
  const std::size_t kept = Index(run_.spec.settings.steps * probe.size);
  const std::size_t row = Index(done_ * probe.size);
  probe.trajectory.assign(samples_.size() * row, 0.0);
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (staging.failed[i] == cuda::kNotFailed) {
      std::copy_n(trajectories_[index].data() + i * kept, row, probe.trajectory.data() + i * row);
    }
  }
}

// In the words of the CPU.
Status CudaSimulation::SampleStatus(std::size_t sample, const Reading& reading) const {
  const std::int32_t failed = workspace_->staging().failed[sample];
  if (failed != cuda::kNotFailed) {
    const Layer& layer = run_.plan->layers[Index(failed - 1)];
    return OutOfRange("layer '" + run_.plan->network->definition().operations[Index(layer.operation)].name +
                      "': spike counts or currents left the range in which sums are exact (fewer than 2^24 "
                      "spikes per neuron and step); lower the inputs, gains or dt");
  }
  for (std::size_t p = 0; p < reading.probes.size(); ++p) {
    const ProbeReading& probe = reading.probes[p];
    const double* const values = probe.values.data() + sample * Index(probe.size);
    if (!std::all_of(values, values + probe.size, [](double value) { return std::isfinite(value); })) {
      return OutOfRange("probe " + std::to_string(run_.spec.probes[p]) +
                        ": an output is infinite or not a number; lower the inputs or gains");
    }
  }
  return {};
}

}  // namespace spikeserve::engine
