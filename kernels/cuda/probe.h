#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/math/annotations.h"

// What a probe gathers from its value at every step of a chunk, as ProbeState of the engine does on the host.
namespace spikeserve::cuda {

struct Probe {
  std::int64_t samples = 0, steps = 0, size = 0;
  Cells source;                         // [samples][steps][stride]: counts or values
  float factor = 1;                     // counts become factor * count
  std::int64_t skip = 0;                // steps before the sum starts
  const std::int64_t* clock = nullptr;  // [samples]: steps done before this chunk
  bool filtered = false;
  float decay = 0, gain = 1;
  float* filter = nullptr;      // [samples][size], where filtered
  float* last = nullptr;        // [samples][size]
  double* sum = nullptr;        // [samples][size]
  float* trajectory = nullptr;  // [samples][steps][size], or null
};

constexpr std::int64_t Threads(const Probe& probe) { return probe.samples * probe.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const Probe& probe, std::int64_t thread) {
  const std::int64_t sample = thread / probe.size;
  const std::int64_t j = thread % probe.size;
  const std::int64_t done = probe.clock[sample];
  float filter = probe.filtered ? probe.filter[thread] : 0.0F;
  double sum = probe.sum[thread];
  float last = probe.last[thread];
  for (std::int64_t step = 0; step < probe.steps; ++step) {
    const std::int64_t row = sample * probe.steps + step;
    float value = LoadValue(probe.source, row * probe.source.stride + j, probe.factor);
    if (probe.filtered) {  // the probe shows what was filtered up to the last step
      const float in = value;
      value = filter;
      filter = fmaf(probe.decay, value, probe.gain * in);
    }
    last = value;
    if (done + step + 1 > probe.skip) {
      sum += static_cast<double>(value);
    }
    if (probe.trajectory != nullptr) {
      probe.trajectory[row * probe.size + j] = value;
    }
  }
  if (probe.filtered) {
    probe.filter[thread] = filter;
  }
  probe.sum[thread] = sum;
  probe.last[thread] = last;
}

}  // namespace spikeserve::cuda
