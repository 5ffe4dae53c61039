#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/network/network_definition.h"

namespace spikeserve::engine {

// What a probe has gathered of one sample from its value at every step. One thread at a time.
class ProbeState {
 public:
  struct Options {
    Readout readout;
    bool trajectory = false;
    std::int64_t reserve_steps = 0;  // how many values the trajectory will have, where known
    bool filtered = false;
    double decay = 0;  // of the probe's synapse
  };

  ProbeState() = default;
  ProbeState(const Options& options, std::int64_t size);
  // What it takes without the trajectory.
  static std::int64_t Bytes(const Options& options, std::int64_t size) {
    return size * (options.filtered ? 3 * 8 : 2 * 8);
  }

  // The probed values of the next step. Real is float, in reference mode double.
  template <typename Real>
  void Step(std::span<const Real> values);

  // The readout over the steps so far; zeros before the first that counts.
  void Read(std::span<double> out) const;
  // [steps so far, size], where kept.
  const std::vector<double>& trajectory() const { return trajectory_; }
  void ForgetTrajectory() { trajectory_.clear(); }

 private:
  Options options_;
  std::int64_t steps_ = 0;
  std::vector<double> sum_, last_, filter_, trajectory_;
};

}  // namespace spikeserve::engine
