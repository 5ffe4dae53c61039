#include "server/engine/cuda/simulation.h"

#include <algorithm>
#include <string>

#include "server/engine/run/constants/run_constants.h"
#include "server/engine/run/early_exit.h"

namespace spikeserve::engine {

Status StatusOf(const cuda::DeviceError& error) {
  const std::string what = std::string("GPU: ") + error.what();
  switch (error.failure()) {
    case cuda::Failure::kOutOfMemory:
      return ResourceExhausted(what + "; unload networks or send smaller batches");
    case cuda::Failure::kUnavailable: return FailedPrecondition(what);
    case cuda::Failure::kRefused: return Internal(what);
    case cuda::Failure::kLost: break;
  }
  return Unavailable(what + "; the server must be restarted before it uses the GPU again");
}

CudaSimulation::CudaSimulation(std::unique_ptr<CudaWorkspace> workspace,
                               std::span<const SampleInputs> samples, CudaWorkspaces workspaces)
    : workspace_(std::move(workspace)),
      pipeline_(std::make_unique<CudaPipeline>(*workspace_)),
      samples_(samples.begin(), samples.end()),
      workspaces_(std::move(workspaces)),
      fed_(!run().spec->session),
      ages_(run(), samples.size()) {
  const SimulationSpec& spec = *run().spec;
  if (spec.settings.readout.kind == ReadoutKind::kCorrectedMean) {
    correction_ = ReadoutCorrection(FindFilterPaths(*run().plan), spec);
  }
  if (spec.early_exit) {
    exit_.emplace(*spec.early_exit, samples_.size());
  }
  trajectories_.resize(spec.trajectories ? spec.probes.size() : 0);
  for (std::size_t p = 0; p < trajectories_.size(); ++p) {
    trajectories_[p].resize(samples_.size());
    for (std::vector<double>& kept : trajectories_[p]) {
      kept.reserve(spec.session ? 0 : Index(spec.settings.steps * run().probe(p).size));
    }
  }
  for (std::size_t r = 0; r < spec.request_probes.size(); ++r) {
    recorders_.emplace_back(samples_.size(), NewRecorder(r));
  }
  pipeline_->Restart();
  if (fed_) {
    pipeline_->Feed(samples_);
  }
}

CudaSimulation::~CudaSimulation() {
  if (!status_.ok()) {
    return;
  }
  try {
    workspace_->WaitForAll();  // a chunk may still be on its way, and reads what the next batch writes
    workspaces_.give(std::move(workspace_));
  } catch (const cuda::DeviceError&) {  // the next call to the device says so
  }
}

ProbeRecorder CudaSimulation::NewRecorder(std::size_t index) const {
  const RequestProbe& probe = run().spec->request_probes[index];
  return {probe.recording, RecorderFilter(probe, run().spec->settings.dt_s), run().RecordSize(index)};
}

Status CudaSimulation::Advance(std::int64_t steps, const StopCheck& stopped) {
  const std::int64_t left = run().spec->settings.steps - promised_;
  if (steps < 1 || steps > left) {
    return InvalidArgument("steps: got " + std::to_string(steps) + ", " + std::to_string(left) + " remain");
  }
  if (!fed_) {
    return {StatusCode::kFailedPrecondition, "a sample was reset and has no inputs yet"};
  }
  if (!status_.ok()) {
    return status_;
  }
  Status ended;
  try {
    const std::int64_t end = promised_ + steps;
    ended = exit_ ? AdvanceUntilClear(end, stopped) : AdvanceTo(end, stopped);
    promised_ = end;
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
    return status_;
  }
  return ended;
}

Status CudaSimulation::AdvanceTo(std::int64_t step, const StopCheck& stopped) {
  if (done_ + pipeline_->steps() > step) {
    pipeline_->RollBack();  // more was run ahead than is wanted now
  }
  while (done_ < step) {
    if (stopped && stopped()) {
      return {StatusCode::kCancelled, "stopped between two chunks"};
    }
    FillPipeline(step);
    CudaPipeline::Chunk chunk;
    if (pipeline_->Finish(chunk)) {
      Collect(chunk);
    }
  }
  return {};
}

Status CudaSimulation::AdvanceUntilClear(std::int64_t step, const StopCheck& stopped) {
  while (done_ < step && !exit_->finished()) {
    const std::int64_t check = NextCheck(*run().spec->early_exit, done_);
    if (Status status = AdvanceTo(std::min(check, step), stopped); !status.ok()) {
      return status;
    }
    if (done_ == check) {
      FetchAnswers(false);
      exit_->Look(MakeReading(), done_, std::span(workspace_->staging().failed, samples_.size()));
    }
  }
  return {};
}

void CudaSimulation::FillPipeline(std::int64_t step) {
  std::int64_t at = done_ + pipeline_->steps();
  while (!pipeline_->full() && at < step) {
    const std::int64_t now = std::min(step - at, workspace_->launch().chunk);
    pipeline_->Issue(samples_, at - fed_at_, now, false);
    at += now;
  }
}

// What a finished chunk leaves behind.
void CudaSimulation::Collect(const CudaPipeline::Chunk& chunk) {
  KeepTrajectories(chunk);
  KeepRecords(chunk);
  ages_.Step(chunk.steps);
  done_ += chunk.steps;
  last_steps_ = chunk.steps;
}

void CudaSimulation::KeepTrajectories(const CudaPipeline::Chunk& chunk) {
  const std::vector<float*>& staged = workspace_->staging().slots[chunk.slot].trajectories;
  for (std::size_t p = 0; p < trajectories_.size(); ++p) {
    const std::int64_t row = chunk.steps * run().probe(p).size;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      const float* const from = staged[p] + static_cast<std::int64_t>(i) * row;
      trajectories_[p][i].insert(trajectories_[p][i].end(), from, from + row);
    }
  }
}

void CudaSimulation::KeepRecords(const CudaPipeline::Chunk& chunk) {
  const std::vector<float*>& staged = workspace_->staging().slots[chunk.slot].records;
  for (std::size_t r = 0; r < recorders_.size(); ++r) {
    const std::size_t size = Index(run().RecordSize(r));
    const float* from = staged[r];
    for (ProbeRecorder& recorder : recorders_[r]) {
      for (std::int64_t step = 0; step < chunk.steps; ++step, from += size) {
        recorder.Step(std::span(from, size));
      }
    }
  }
}

}  // namespace spikeserve::engine
