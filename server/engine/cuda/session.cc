// Sessions of a CudaSimulation: its state stays on the device between the pieces.

#include <algorithm>
#include <set>

#include "server/engine/cuda/simulation.h"
#include "server/engine/run/checked_spec.h"

namespace spikeserve::engine {

Status CudaSimulation::Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples) {
  const Result<CheckedSpec> spec = FedSpec(run().spec, inputs, samples, samples_.size());
  if (!spec.ok()) {
    return spec.status();
  }
  if (!status_.ok()) {
    return status_;
  }
  try {
    if (inputs != run().spec->inputs) {
      if (Status status = ChangeSpec(spec.value()); !status.ok()) {
        return status;
      }
    }
    samples_.assign(samples.begin(), samples.end());
    pipeline_->Feed(samples_);
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
    return status_;
  }
  for (std::vector<std::vector<double>>& of_probe : trajectories_) {
    for (std::vector<double>& kept : of_probe) {
      kept.clear();
    }
  }
  for (std::vector<ProbeRecorder>& of_probe : recorders_) {
    for (ProbeRecorder& recorder : of_probe) {
      recorder.Forget();
    }
  }
  fed_at_ = done_;
  fed_ = true;
  return {};
}

// Inputs of other formats need other buffers and programs. The state is the same in both workspaces.
Status CudaSimulation::ChangeSpec(const CheckedSpec& spec) {
  Result<std::unique_ptr<CudaWorkspace>> taken = workspaces_.take(spec);
  if (!taken.ok()) {
    return taken.status();
  }
  std::unique_ptr<CudaWorkspace> next = std::move(taken).value();
  if (next->buffers().state_bytes != workspace_->buffers().state_bytes) {
    return Internal("the state of a session depends on the format of its inputs");
  }
  auto pipeline = std::make_unique<CudaPipeline>(*next);
  pipeline->MoveFrom(*pipeline_);
  pipeline_ = std::move(pipeline);
  std::swap(workspace_, next);
  workspaces_.give(std::move(next));
  return {};
}

Status CudaSimulation::Reset(std::span<const std::int64_t> samples) {
  if (!status_.ok()) {
    return status_;
  }
  const std::set<std::int64_t> wanted(samples.begin(), samples.end());
  const std::vector<std::int64_t> each(wanted.begin(), wanted.end());
  try {
    if (each.size() == samples_.size()) {
      pipeline_->Restart();
    } else {
      pipeline_->Restart(each);
    }
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
    return status_;
  }
  ages_.Restart(each);
  for (const std::int64_t sample : each) {
    for (std::vector<std::vector<double>>& of_probe : trajectories_) {
      of_probe[Index(sample)].clear();
    }
    for (std::size_t r = 0; r < recorders_.size(); ++r) {
      recorders_[r][Index(sample)] = NewRecorder(r);
    }
  }
  fed_ = fed_ && each.empty();
  return {};
}

}  // namespace spikeserve::engine
