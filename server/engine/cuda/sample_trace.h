#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/run/probe_recorder.h"

namespace spikeserve::engine {

// What a sample has shown step by step since it was last fed, where its values come several steps at a time
// from a device: trajectories of probes and records of request probes. One thread at a time.
class SampleTrace {
 public:
  // For as many trajectories as there are elements in `values`: what each has room for from the start.
  SampleTrace(std::span<const std::int64_t> values, std::vector<ProbeRecorder> recorders);

  // The next steps of a probe: [steps, size].
  void AddToTrajectory(std::size_t index, std::span<const float> steps);
  // The next steps of a request probe with `size` elements: [steps, size].
  void AddToRecord(std::size_t index, std::int64_t size, std::span<const float> steps);

  // [steps, size].
  const std::vector<double>& trajectory(std::size_t index) const { return trajectories_[index]; }
  // [rows, size].
  std::vector<double> Record(std::size_t index) const { return recorders_[index].Rows(); }

  // Begins both anew; the filters of request probes go on.
  void Forget();

 private:
  std::vector<std::vector<double>> trajectories_;  // [probe]
  std::vector<ProbeRecorder> recorders_;           // [request probe]
};

}  // namespace spikeserve::engine
