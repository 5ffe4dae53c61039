// The answers of a CudaSimulation.

#include <algorithm>
#include <cmath>
#include <string>

#include "server/engine/cuda/simulation.h"

namespace spikeserve::engine {

Result<Reading> CudaSimulation::Read() {
  if (!status_.ok()) {
    return status_;
  }
  if (finished()) {
    Reading reading = exit_->Answers(done_);
    reading.steps_done = promised_;
    return reading;
  }
  try {
    pipeline_->RollBack();  // of an earlier reading at the same step
    FetchAnswers(true);
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
    return status_;
  }
  Reading reading = MakeReading();
  if (exit_) {
    exit_->Apply(done_, reading);
  }
  return reading;
}

// While the caller does something with the answers, the device goes on with what is likely wanted next.
void CudaSimulation::FetchAnswers(bool run_ahead) {
  workspace_->work().Run(ReadingProgram(workspace_->scene(), ages_.Ranges(workspace_->launch().samples)));
  workspace_->work().Set(*workspace_->marks().read);
  workspace_->downloads().Await(*workspace_->marks().read);
  DownloadAnswers();
  workspace_->downloads().Set(*workspace_->marks().answered);
  const std::int64_t left = run().spec->settings.steps - done_;
  if (run_ahead && !run().spec->session && !exit_ && done_ > 0 && left > 0) {
    pipeline_->Issue(samples_, done_, std::min(last_steps_, left), true);
  }
  workspace_->downloads().WaitFor(*workspace_->marks().answered);
}

void CudaSimulation::DownloadAnswers() {
  cuda::Queue& downloads = workspace_->downloads();
  const CudaBuffers& buffers = workspace_->buffers();
  CudaStaging& staging = workspace_->staging();
  const std::size_t samples = Index(workspace_->launch().samples);
  downloads.Download(staging.failed, buffers.read_failed, samples * sizeof(std::int32_t));
  downloads.Download(staging.sample_spikes, buffers.read_spikes, samples * sizeof(std::int64_t));
  for (std::size_t p = 0; p < buffers.probes.size(); ++p) {
    const std::size_t count = samples * Index(run().probe(p).size);
    downloads.Download(staging.answers[p], buffers.probes[p].answer, count * sizeof(float));
    if (!run().folded[p]) {
      downloads.Download(staging.sums[p], buffers.probes[p].answer_sum, count * sizeof(double));
    }
  }
  for (std::size_t l = 0; l < staging.activity.size(); ++l) {
    if (staging.activity[l] != nullptr) {
      downloads.Download(staging.activity[l], buffers.layers[l].activity,
                         samples * sizeof(cuda::ActivitySum));
    }
  }
}

Reading CudaSimulation::MakeReading() const {
  const CudaStaging& staging = workspace_->staging();
  Reading reading;
  reading.steps_done = done_;
  reading.spikes.assign(staging.sample_spikes, staging.sample_spikes + samples_.size());
  for (std::size_t p = 0; p < run().folded.size(); ++p) {
    ReadProbe(p, reading);
  }
  for (std::size_t r = 0; r < recorders_.size(); ++r) {
    ReadRecord(r, reading);
  }
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    reading.sample_status.push_back(SampleStatus(i, reading));
    if (run().spec->session) {
      reading.steps_used.push_back(ages_.StepsOf(i));
    }
  }
  ReadStatistics(reading);
  return reading;
}

void CudaSimulation::ReadStatistics(Reading& reading) const {
  for (std::size_t i = 0; run().spec->statistics && i < samples_.size(); ++i) {
    std::vector<LayerActivity>& of_sample = reading.statistics.emplace_back();
    for (const std::int64_t layer : run().plan->spiking_layers) {
      const cuda::ActivitySum& sum = workspace_->staging().activity[Index(layer)][i];
      of_sample.push_back({sum.spikes, sum.busiest, sum.silent, sum.synaptic_operations});
    }
  }
}

void CudaSimulation::ReadProbe(std::size_t index, Reading& reading) const {
  const CudaStaging& staging = workspace_->staging();
  ProbeReading& probe = reading.probes.emplace_back();
  probe.size = run().probe(index).size;
  const std::size_t size = Index(probe.size);
  const std::size_t row = Index(done_ - fed_at_) * size;
  probe.values.assign(samples_.size() * size, 0.0);
  probe.trajectory.assign(run().spec->trajectories ? samples_.size() * row : 0, 0.0);
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    const std::span<double> values = std::span(probe.values).subspan(i * size, size);
    const std::int64_t counted = ages_.CountedBy(i);
    if (counted >= 0 && (run().folded[index] || counted == 0)) {
      std::copy_n(staging.answers[index] + i * size, size, values.begin());
    } else if (counted > 0) {
      std::transform(staging.sums[index] + i * size, staging.sums[index] + (i + 1) * size, values.begin(),
                     [counted](double sum) { return sum / static_cast<double>(counted); });
    }
    correction_.Apply(index, ages_.StepsOf(i), values);
    if (run().spec->trajectories && !HasFailed(i)) {
      const std::vector<double>& kept = trajectories_[index][i];
      std::copy_n(kept.data(), std::min(row, kept.size()), probe.trajectory.data() + i * row);
    }
  }
}

void CudaSimulation::ReadRecord(std::size_t index, Reading& reading) const {
  const Recording& recording = run().spec->request_probes[index].recording;
  ProbeRecord& record = reading.records.emplace_back();
  record.size = run().RecordSize(index);
  record.rows = recording.Rows(recording.Kept(0, done_ - fed_at_));
  const std::size_t stride = Index(record.rows * record.size);
  record.values.assign(samples_.size() * stride, 0.0);
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (!HasFailed(i)) {
      const std::vector<double> rows = recorders_[index][i].Rows();
      std::copy_n(rows.data(), std::min(rows.size(), stride), record.values.data() + i * stride);
    }
  }
}

bool CudaSimulation::HasFailed(std::size_t sample) const {
  return workspace_->staging().failed[sample] != cuda::kNotFailed;
}

// In the words of the CPU.
Status CudaSimulation::SampleStatus(std::size_t sample, const Reading& reading) const {
  if (HasFailed(sample)) {
    const Layer& layer = run().plan->layers[Index(workspace_->staging().failed[sample] - 1)];
    return OutOfRange("layer '" + run().plan->network->definition().operations[Index(layer.operation)].name +
                      "': spike counts or currents left the range in which sums are exact (fewer than 2^24 "
                      "spikes per neuron and step); lower the inputs, gains or dt");
  }
  for (std::size_t p = 0; p < reading.probes.size(); ++p) {
    const ProbeReading& probe = reading.probes[p];
    const double* const values = probe.values.data() + sample * Index(probe.size);
    if (!std::all_of(values, values + probe.size, [](double value) { return std::isfinite(value); })) {
      return OutOfRange("probe " + std::to_string(run().spec->probes[p]) +
                        ": an output is infinite or not a number; lower the inputs or gains");
    }
  }
  return {};
}

}  // namespace spikeserve::engine
