#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cuda/activity.h"
#include "kernels/cuda/byte_product.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/scan.h"
#include "server/engine/cuda/layout/arena.h"
#include "server/engine/cuda/layout/filters.h"
#include "server/engine/cuda/layout/launch_shape.h"
#include "server/engine/cuda/layout/run.h"

// Where everything of a run lies in device memory. With a counting arena: how much that is.
namespace spikeserve::engine {

constexpr std::size_t kCudaSlots = 2;  // chunks on their way at a time

struct CudaTermBuffers {
  float* scale = nullptr;          // [size]
  float* readout_scale = nullptr;  // [size], of folded layers
  float* offset = nullptr;         // [size], or null
  float* filter = nullptr;         // [samples][size], where filtered by a low-pass
  float* weights = nullptr;        // of a general filter, where it has any
  cuda::Filter general;            // where the run has a general filter
  float* held = nullptr;           // [samples][size]: sums of an input that is held
  // Of a layer in closed form:
  std::int64_t* whole = nullptr;         // [samples][size]: what an input that is held brings in a step
  std::int64_t* whole_offset = nullptr;  // [size], or null: what comes in every step
  std::int64_t* totals = nullptr;        // [samples][source]: what the source has emitted in all steps
  std::int64_t* received = nullptr;      // [samples][size]: what values have brought in all steps
};

// Of a layer in closed form, as MemoryConstants has them.
struct CudaMemoryBuffers {
  std::int64_t* bias = nullptr;     // [size]
  std::int64_t* start = nullptr;    // [size]
  std::int64_t* ceiling = nullptr;  // [size], or null
  double* unit = nullptr;           // [size]
  std::uint8_t* shift = nullptr;    // [size]
};

struct CudaLayerBuffers {
  float* bias = nullptr;                  // [size]
  float* initial_voltage = nullptr;       // [size], of neurons with a voltage
  math::PerState<float*> state;           // [samples][size]
  std::int64_t* neuron_spikes = nullptr;  // [samples][size], with statistics
  cuda::ActivitySum* activity = nullptr;  // [samples], with statistics
  std::vector<CudaTermBuffers> terms;
  CudaMemoryBuffers memory;
};

// What a layer in closed form has sent at one age, of the samples of a block.
struct CudaSent {
  std::int32_t* counts = nullptr;  // [rows][size]
  std::int8_t* digits = nullptr;   // [planes][rows][stride], or null
};

struct CudaPopulationBuffers {
  void* counts = nullptr;  // [group][chunk][stride], float16 or int32: room for both
  // Rates and encoded inputs: [group][chunk][size]; other inputs: [samples][chunk or 1][size].
  float* values = nullptr;
  std::uint8_t* bytes = nullptr;  // uint8 inputs: [samples][chunk or 1][size]
  std::int64_t stride = 0;
  std::int32_t* largest = nullptr;  // [samples]: of the counts of a chunk, where wide
  float* encoded = nullptr;         // [samples][size]: x of an encoded input
  // Of inputs that vary in time, as `values` or `bytes`: where the next chunk arrives while this one runs.
  std::byte* landing = nullptr;
  std::vector<CudaSent> sent;  // [age], of a layer in closed form
};

// What a chunk leaves to the host, and where it waits for its copy while the next chunk runs.
struct CudaOutput {
  float* values = nullptr;
  float* leaving = nullptr;
};

struct CudaProbeBuffers {
  float* filter = nullptr;             // [samples][size], where filtered by a low-pass
  float* weights = nullptr;            // of a general filter, where it has any
  cuda::Filter general;                // where the run has a general filter
  float* last = nullptr;               // [samples][size]
  double* sum = nullptr;               // [samples][size]
  CudaOutput trajectory;               // [samples][chunk][size]
  float* answer = nullptr;             // [samples][size]: of folded probes, or the last value, as read
  double* answer_sum = nullptr;        // [samples][size]: the sum as read, of the others
  std::vector<cuda::FoldState> folds;  // [term], of folded probes
};

struct CudaBuffers {
  std::vector<CudaLayerBuffers> layers;
  std::vector<CudaPopulationBuffers> populations;
  std::vector<CudaProbeBuffers> probes;   // [probe of the spec]
  std::vector<CudaOutput> records;        // [request probe]: [samples][chunk][size]
  std::int64_t* clock = nullptr;          // [samples]: steps done
  std::int64_t* sample_spikes = nullptr;  // [samples]
  std::int32_t* failed = nullptr;         // [samples]
  std::int32_t* exceeded = nullptr;
  std::int32_t* exceeded_leaving = nullptr;
  std::int64_t* read_spikes = nullptr;    // [samples]: as sample_spikes when it was read
  std::int32_t* read_failed = nullptr;    // [samples]: as failed
  std::uint32_t* sample_index = nullptr;  // [samples]: places in the request, where numbers are drawn
  std::uint64_t* seed = nullptr;          // of the run, there too
  std::int32_t* needed = nullptr;         // [operand]: digits of counts that there was no room for
  std::int32_t* untold = nullptr;         // [samples]: whose counts these were
  // What a chunk changes, in one piece, and copies of it from before the chunks that are on their way.
  std::byte* state = nullptr;
  std::array<std::byte*, kCudaSlots> snapshots = {};
  std::vector<CudaArena::Array> state_arrays;  // of `state`, each with equal shares of all samples
  std::int64_t state_bytes = 0;
  std::byte* scratch = nullptr;
};

// Samples times digits of counts that buffers of digits hold: each sample has room for all its digits.
constexpr std::int64_t DigitRows(std::int64_t rows) { return rows + cuda::kMostPlanes; }

// Cuts the arena into the buffers of a run, without scratch.
CudaBuffers LayOutBuffers(const CudaRun& run, const CudaLaunchShape& launch, CudaArena& arena);

// Bytes of LayOutBuffers and scratch.
std::int64_t WorkspaceBytes(const CudaRun& run, const CudaLaunchShape& launch);

CudaDemand DemandOf(const CudaRun& run);

}  // namespace spikeserve::engine
