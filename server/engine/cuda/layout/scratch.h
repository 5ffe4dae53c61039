#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/cuda/layout/arena.h"
#include "server/engine/cuda/layout/run.h"

// Scratch memory of the layers of a run, and what their products read there.
namespace spikeserve::engine {

// Buffers of one layer while it runs on `rows` rows.
struct CudaLayerScratch {
  void* cells = nullptr;          // gathered cells of one term
  cuda::Half* columns = nullptr;  // of one convolution
  std::vector<float*> sums;       // [kScanTerms]
  std::vector<float*> filtered;   // [kScanTerms]: of terms behind a general filter
  float* probed = nullptr;        // of one probe behind a general filter
  float* base = nullptr;          // what earlier terms gave
  float* values = nullptr;        // of a linear layer
  float* voltages = nullptr;
  float* currents = nullptr;  // what all terms give, where a probe of the request wants it
};

// Cuts the scratch of a layer in its chunk, or in the readout where `reading`.
CudaLayerScratch LayOutScratch(const CudaRun& run, std::size_t layer, std::int64_t rows, bool reading,
                               CudaArena& arena);
// The most that any layer needs.
std::int64_t ScratchBytes(const CudaRun& run, std::int64_t rows);

// Whether a term's product runs on the spikes of a chunk, by digits.
bool UsesDigits(const CudaRun& run, std::size_t layer, std::size_t term);
// Whether any product runs on tensor cores.
bool UsesDigits(const CudaRun& run);
// Whether its cells already are the columns of its product.
bool CellsAreColumns(const CudaTerm& term);

}  // namespace spikeserve::engine
