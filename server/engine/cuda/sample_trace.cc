#include "server/engine/cuda/sample_trace.h"

#include "server/engine/network/index.h"

namespace spikeserve::engine {

SampleTrace::SampleTrace(std::span<const std::int64_t> values, std::vector<ProbeRecorder> recorders)
    : trajectories_(values.size()), recorders_(std::move(recorders)) {
  for (std::size_t p = 0; p < values.size(); ++p) {
    trajectories_[p].reserve(Index(values[p]));
  }
}

void SampleTrace::AddToTrajectory(std::size_t index, std::span<const float> steps) {
  trajectories_[index].insert(trajectories_[index].end(), steps.begin(), steps.end());
}

void SampleTrace::AddToRecord(std::size_t index, std::int64_t size, std::span<const float> steps) {
  for (std::size_t at = 0; at < steps.size(); at += Index(size)) {
    recorders_[index].Step(steps.subspan(at, Index(size)));
  }
}

void SampleTrace::Forget() {
  for (std::vector<double>& trajectory : trajectories_) {
    trajectory.clear();
  }
  for (ProbeRecorder& recorder : recorders_) {
    recorder.Forget();
  }
}

}  // namespace spikeserve::engine
