#include "server/engine/cuda_simulation.h"

#include <algorithm>
#include <cmath>
#include <string>

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
                               std::span<const SampleInputs> samples, Return give_back)
    : workspace_(std::move(workspace)),
      samples_(samples.begin(), samples.end()),
      give_back_(std::move(give_back)),
      run_(workspace_->run()) {
  for (std::size_t p = 0; p < run_.folded.size(); ++p) {
    const ProbePlan& probe = run_.probe(p);
    const double decay = probe.synapse ? DecayOf(*probe.synapse, run_.spec.settings.dt_s) : 0.0;
    const kernels::FoldFilters filters{.probe_synapse = probe.synapse.has_value(),
                                       .probe_decay = static_cast<float>(decay),
                                       .probe_gain = static_cast<float>(1 - decay)};
    bias_folds_.emplace_back(filters, 1);
  }
  trajectories_.resize(run_.spec.trajectories ? run_.spec.probes.size() : 0);
  for (std::size_t p = 0; p < trajectories_.size(); ++p) {
    trajectories_[p].resize(samples_.size() * Index(run_.spec.settings.steps * run_.probe(p).size));
  }
  UploadHeld();
  workspace_->RunInitial();
}

CudaSimulation::~CudaSimulation() {
  if (status_.ok()) {
    give_back_(std::move(workspace_));
  }
}

void CudaSimulation::UploadHeld() {
  CudaStaging& staging = workspace_->staging();
  for (std::size_t i = 0; i < run_.spec.inputs.size(); ++i) {
    if (run_.populations[i].held) {
      PackInput(run_, i, samples_, workspace_->launch().samples, 0, 1, staging.inputs[0][i]);
    }
  }
  UploadPacked(0, 0);
  UploadIndices();
}

// The samples that only pad the batch draw what the first one draws; nobody reads what becomes of it.
void CudaSimulation::UploadIndices() {
  std::uint32_t* const staged = workspace_->staging().sample_index;
  if (staged == nullptr) {
    return;
  }
  const std::size_t count = Index(workspace_->launch().samples);
  std::fill_n(staged, count, 0U);
  std::transform(samples_.begin(), samples_.end(), staged,
                 [](const SampleInputs& sample) { return static_cast<std::uint32_t>(sample.index); });
  workspace_->queue().Upload(workspace_->buffers().sample_index, staged, count * sizeof(std::uint32_t));
}

void CudaSimulation::Pack(std::int64_t done, std::int64_t steps, std::size_t slot) {
  for (std::size_t i = 0; i < run_.spec.inputs.size(); ++i) {
    if (!run_.populations[i].held) {
      PackInput(run_, i, samples_, workspace_->launch().samples, done, steps,
                workspace_->staging().inputs[slot][i]);
    }
  }
}

// The held inputs for 0 steps, else the others.
void CudaSimulation::UploadPacked(std::int64_t steps, std::size_t slot) {
  for (std::size_t i = 0; i < run_.spec.inputs.size(); ++i) {
    const CudaPopulation& use = run_.populations[i];
    if (use.held != (steps == 0)) {
      continue;
    }
    const std::int64_t elements =
        workspace_->launch().samples * run_.plan->populations[i].size * std::max<std::int64_t>(1, steps);
    const CudaPopulationBuffers& buffers = workspace_->buffers().populations[i];
    void* const to = use.bytes ? static_cast<void*>(buffers.bytes) : static_cast<void*>(buffers.values);
    workspace_->queue().Upload(to, workspace_->staging().inputs[slot][i],
                               Index(elements * CudaInputBytes(run_, i)));
  }
}

Status CudaSimulation::Advance(std::int64_t steps, const StopCheck& stopped) {
  const std::int64_t left = run_.spec.settings.steps - done_;
  if (steps < 1 || steps > left) {
    return InvalidArgument("steps: got " + std::to_string(steps) + ", " + std::to_string(left) + " remain");
  }
  try {
    while (status_.ok() && steps > 0) {
      if (stopped && stopped()) {
        return {StatusCode::kCancelled, "stopped between two chunks"};
      }
      const std::int64_t now = std::min(steps, workspace_->launch().chunk);
      steps -= now;
      AdvanceChunk(now, std::min(steps, workspace_->launch().chunk));
    }
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
  }
  return status_;
}

// While the device computes this chunk, the inputs of the next are packed.
void CudaSimulation::AdvanceChunk(std::int64_t steps, std::int64_t next_steps) {
  cuda::Queue& queue = workspace_->queue();
  const CudaBuffers& buffers = workspace_->buffers();
  if (packed_ != steps) {
    Pack(done_, steps, slot_);
  }
  UploadPacked(steps, slot_);
  if (!wide_ && done_ > 0) {
    queue.Run({cuda::Copy{buffers.snapshot, buffers.state, Index(buffers.state_bytes)}});
  }
  workspace_->RunChunk(steps, wide_);
  queue.Download(workspace_->staging().exceeded, buffers.exceeded, sizeof(std::int32_t));
  slot_ = (slot_ + 1) % CudaStaging::kSlots;
  packed_ = next_steps;
  if (next_steps > 0) {
    Pack(done_ + steps, next_steps, slot_);
  }
  queue.Wait();
  if (!wide_ && *workspace_->staging().exceeded != 0) {
    RunWide(steps);
  }
  KeepTrajectories(steps);
  StepBiasFolds(steps);
  done_ += steps;
}

// Repeats the chunk from where it began.
void CudaSimulation::RunWide(std::int64_t steps) {
  const CudaBuffers& buffers = workspace_->buffers();
  wide_ = true;
  if (done_ > 0) {
    workspace_->queue().Run({cuda::Copy{buffers.state, buffers.snapshot, Index(buffers.state_bytes)}});
  } else {
    workspace_->RunInitial();
  }
  workspace_->RunChunk(steps, true);
  workspace_->queue().Wait();
}

void CudaSimulation::KeepTrajectories(std::int64_t steps) {
  const std::vector<float*>& staged = workspace_->staging().trajectories;
  for (std::size_t p = 0; p < trajectories_.size(); ++p) {
    const std::int64_t count = workspace_->launch().samples * steps * run_.probe(p).size;
    workspace_->queue().Download(staged[p], workspace_->buffers().probes[p].trajectory,
                                 Index(count) * sizeof(float));
  }
  workspace_->queue().Wait();
  for (std::size_t p = 0; p < trajectories_.size(); ++p) {
    const std::size_t size = Index(run_.probe(p).size);
    const std::size_t row = Index(steps) * size;
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      double* const to =
          trajectories_[p].data() + (i * Index(run_.spec.settings.steps) + Index(done_)) * size;
      std::copy_n(staged[p] + i * row, row, to);
    }
  }
}

void CudaSimulation::StepBiasFolds(std::int64_t steps) {
  const float one = 1.0F;
  for (kernels::Fold& fold : bias_folds_) {
    for (std::int64_t step = 0; step < steps; ++step) {
      fold.Step(std::span<const float>(&one, 1));
      if (done_ + step + 1 == run_.spec.settings.readout.skip_steps) {
        fold.MarkStart();
      }
    }
  }
}

}  // namespace spikeserve::engine
