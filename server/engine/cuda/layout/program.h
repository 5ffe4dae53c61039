#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/program.h"
#include "server/engine/cuda/layout/layout.h"
#include "server/engine/run/constants/run_constants.h"

// The work of a run as programs: what is launched, on which buffers, in which order. Free of any device.
namespace spikeserve::engine {

// A run with its buffers and constants, as the programs see it.
struct CudaScene {
  const CudaRun& run;
  const CudaLaunchShape& launch;
  const CudaBuffers& buffers;
  const std::vector<LayerConstants>& constants;
};

// Puts `count` samples from `first` on to step 0.
cuda::Program StateProgram(const CudaScene& scene, std::int64_t first, std::int64_t count);

// What inputs that are held cause. The inputs lie in their buffers.
cuda::Program InputProgram(const CudaScene& scene);

// Takes the inputs of the next `steps` steps from where they landed, so that those after them can land there.
cuda::Program LandingProgram(const CudaScene& scene, std::int64_t steps);

// Puts what a chunk of `steps` steps leaves to the host where the next chunk does not write.
cuda::Program LeavingProgram(const CudaScene& scene, std::int64_t steps);

// The next `steps` steps, at most a chunk. Narrow: spikes as float16 and sums by digits; `exceeded` is set
// where a count is too large for that, and everything else is void then. Wide: any count that exact sums
// allow.
cuda::Program ChunkProgram(const CudaScene& scene, std::int64_t steps, bool wide);

// At least as many as the calls of ChunkProgram.
std::int64_t MostCalls(const CudaRun& run, const CudaLaunchShape& launch);

// Samples that have run equally many steps.
struct CudaReadRange {
  std::int64_t first = 0, count = 0;
  std::int64_t counted = 0;         // steps that a mean is over; 0: the last step's value
  std::vector<float> bias_factors;  // [probe of the spec]: what its constants are multiplied by
};

// The answers of probes, spikes, failures and activity, into the buffers that a reading is copied from. The
// ranges cover all samples.
cuda::Program ReadingProgram(const CudaScene& scene, std::span<const CudaReadRange> ranges);

}  // namespace spikeserve::engine
