#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/cuda/layout/arena.h"
#include "server/engine/cuda/layout/run.h"

// Scratch memory of the layers of a run that are in closed form.
namespace spikeserve::engine {

// Buffers of one layer for blocks of `rows` samples, or as many rows of values; of digits for DigitRows.
struct CudaClosedScratch {
  // What the product of one term reads.
  void* gathered = nullptr;        // cells of values
  std::int64_t* cells = nullptr;   // whole ones
  std::int8_t* digits = nullptr;   // [planes][rows][stride]
  std::int8_t* columns = nullptr;  // of a convolution
  float* values = nullptr;         // sums of values, [rows][size]
  // What the product of each term gives, by digits or as integers.
  struct Sums {
    std::int32_t* digits = nullptr;
    std::int64_t* wholes = nullptr;  // [rows][size]
    double* about = nullptr;         // [rows][size]
  };
  std::vector<Sums> sums;  // [term]
};

// Takes nothing for a layer that is not in closed form.
CudaClosedScratch LayOutClosedScratch(const CudaRun& run, std::size_t layer, std::int64_t rows,
                                      CudaArena& arena);
// The most that any layer needs.
std::int64_t ClosedScratchBytes(const CudaRun& run, std::int64_t rows);

// Whether the digits that a term's product by digits reads are its columns already.
bool DigitsAreColumns(const CudaTerm& term);

}  // namespace spikeserve::engine
