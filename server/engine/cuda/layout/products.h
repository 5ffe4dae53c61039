#pragma once

#include "kernels/cuda/program.h"
#include "server/engine/cuda/layout/layout.h"

// The products of a term as calls.
namespace spikeserve::engine {

// Which rows meet which weights, and where the sums go.
struct CudaProductRequest {
  std::int64_t rows = 0;
  cuda::Cells source;             // [rows][stride]
  bool by_digits = false;         // through tensor cores; the source is float16 then
  bool wide = false;              // integer sums may pass an int32
  bool as_floats = false;         // the source is float32 but the weights are integers: a readout of spikes
  void* cells = nullptr;          // scratch for gathered cells
  cuda::Half* columns = nullptr;  // scratch for a convolution's columns
  float* sums = nullptr;
};

// Appends the calls. Their sums are laid out as SumsLayout says.
void AppendProduct(const CudaTerm& term, const CudaProductRequest& request, cuda::Program& program);

// Sets high, low, pixels, channels and stride of `to` for sums made by AppendProduct.
void SetSums(const CudaTerm& term, bool by_digits, const float* sums, cuda::ScanTerm& to);

}  // namespace spikeserve::engine
