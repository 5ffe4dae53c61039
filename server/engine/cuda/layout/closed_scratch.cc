#include "server/engine/cuda/layout/closed_scratch.h"

#include <algorithm>

#include "kernels/cuda/byte_product.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/digit_product.h"
#include "server/engine/cuda/layout/layout.h"

namespace spikeserve::engine {
namespace {

// Elements of the buffers that all terms share.
struct Shared {
  std::int64_t gathered = 0, cells = 0, digits = 0, columns = 0, values = 0;
};

void Count(const CudaRun& run, std::size_t layer, std::size_t index, std::int64_t rows, Shared& shared) {
  const CudaTerm& term = run.weights->term(layer, index);
  const bool gathers = term.gather_start != nullptr;
  if (!run.IsWhole(layer, index)) {
    shared.values = std::max(shared.values, rows * term.out);
    shared.gathered = std::max(shared.gathered, gathers ? rows * cuda::PadHalves(term.in) : 0);
    return;
  }
  if (term.bytes == nullptr) {
    shared.cells = std::max(shared.cells, gathers ? rows * term.in : 0);
    return;
  }
  if (run.OperandOf(layer, index) >= run.populations.size()) {
    shared.digits = std::max(shared.digits, rows * cuda::PadBytes(term.in));
  }
  if (!DigitsAreColumns(term)) {
    shared.columns = std::max(shared.columns, rows * cuda::Pixels(term.conv) * term.byte_depth);
  }
}

CudaClosedScratch::Sums TakeSums(const CudaRun& run, std::size_t layer, std::size_t index, std::int64_t rows,
                                 CudaArena& arena) {
  CudaClosedScratch::Sums sums;
  const CudaTerm& term = run.weights->term(layer, index);
  if (!run.IsWhole(layer, index)) {
    return sums;
  }
  if (term.bytes != nullptr) {
    const std::int64_t pixels = term.shape == cuda::ProductShape::kConv ? cuda::Pixels(term.conv) : 1;
    sums.digits = arena.Take<std::int32_t>(rows * pixels * term.byte_digits * term.byte_width);
  } else {
    sums.wholes = arena.Take<std::int64_t>(rows * term.out);
    sums.about = arena.Take<double>(rows * term.out);
  }
  return sums;
}

}  // namespace

bool DigitsAreColumns(const CudaTerm& term) {
  if (term.shape == cuda::ProductShape::kDense) {
    return true;
  }
  const cuda::ConvMap& g = term.conv;
  return g.kernel_height == 1 && g.kernel_width == 1 && g.stride_y == 1 && g.stride_x == 1 &&
         g.pad_top == 0 && g.pad_left == 0 && g.in_height == g.out_height && g.in_width == g.out_width &&
         g.in_channels % cuda::kByteUnit == 0;
}

CudaClosedScratch LayOutClosedScratch(const CudaRun& run, std::size_t layer, std::int64_t rows,
                                      CudaArena& arena) {
  CudaClosedScratch scratch;
  if (!run.IsClosed(layer)) {
    return scratch;
  }
  rows = DigitRows(rows);
  Shared shared;
  const std::size_t terms = run.plan->layers[layer].terms.size();
  for (std::size_t t = 0; t < terms; ++t) {
    Count(run, layer, t, rows, shared);
  }
  scratch.gathered = arena.Take<float>(shared.gathered);
  scratch.cells = arena.Take<std::int64_t>(shared.cells);
  scratch.digits = arena.Take<std::int8_t>(shared.digits);
  scratch.columns = arena.Take<std::int8_t>(shared.columns);
  scratch.values = arena.Take<float>(shared.values);
  for (std::size_t t = 0; t < terms; ++t) {
    scratch.sums.push_back(TakeSums(run, layer, t, rows, arena));
  }
  return scratch;
}

std::int64_t ClosedScratchBytes(const CudaRun& run, std::int64_t rows) {
  std::int64_t most = 0;
  for (std::size_t l = 0; l < run.plan->layers.size(); ++l) {
    CudaArena arena;
    LayOutClosedScratch(run, l, rows, arena);
    most = std::max(most, arena.used());
  }
  return most;
}

}  // namespace spikeserve::engine
