#pragma once

#include <cstdint>

#include "kernels/cuda/program.h"
#include "server/engine/cuda_layout.h"
#include "server/engine/run_constants.h"

// The work of a run as programs: what is launched, on which buffers, in which order. Free of any device.
namespace spikeserve::engine {

// A run with its buffers and constants, as the programs see it.
struct CudaScene {
  const CudaRun& run;
  const CudaLaunchPlan& launch;
  const CudaBuffers& buffers;
  const std::vector<LayerConstants>& constants;
};

// State at step 0, and what inputs that are held cause. The inputs lie in their buffers.
cuda::Program InitialProgram(const CudaScene& scene);

// The next `steps` steps, at most a chunk. Narrow: spikes as float16 and sums by digits; `exceeded` is set
// where a count is too large for that, and everything else is void then. Wide: any count that exact sums
// allow.
cuda::Program ChunkProgram(const CudaScene& scene, std::int64_t steps, bool wide);

// At least as many as the calls of ChunkProgram.
std::int64_t MostCalls(const CudaRun& run, const CudaLaunchPlan& launch);

// The answers of folded probes over `counted` steps (0: the last step), and activity sums, into their
// buffers. `bias_factors`: of each probe of the spec, what its constants are multiplied by.
cuda::Program ReadingProgram(const CudaScene& scene, std::int64_t counted,
                             const std::vector<float>& bias_factors);

}  // namespace spikeserve::engine
