#include "server/engine/cuda/layout/products.h"

#include "kernels/cuda/columns.h"
#include "server/engine/cuda/layout/scratch.h"

namespace spikeserve::engine {
namespace {

using cuda::CellType;
using cuda::ProductShape;

cuda::Cells AppendGather(const CudaTerm& term, const CudaProductRequest& request, cuda::Program& program) {
  cuda::Gather gather;
  gather.rows = request.rows;
  gather.size = term.in;
  gather.source = request.source;
  gather.start = term.gather_start;
  gather.index = term.gather_index;
  gather.out = request.cells;
  gather.stride = cuda::PadHalves(term.in);
  gather.type = request.by_digits
                    ? CellType::kHalf
                    : (request.source.type == CellType::kFloat ? CellType::kFloat : CellType::kInt32);
  program.emplace_back(gather);
  return {gather.out, gather.type, gather.stride};
}

void AppendDigits(const CudaTerm& term, const CudaProductRequest& request, const cuda::Cells& cells,
                  cuda::Program& program) {
  const std::int64_t pixels = term.shape == ProductShape::kConv ? cuda::Pixels(term.conv) : 1;
  cuda::DigitProduct product;
  product.rows = request.rows * pixels;
  product.depth = term.depth;
  product.width = term.width;
  product.digits = term.digits;
  product.digit_count = term.digit_count;
  product.sums = request.sums;
  if (CellsAreColumns(term)) {
    product.cells = static_cast<const cuda::Half*>(cells.data);
    product.stride = term.shape == ProductShape::kConv ? term.depth : cells.stride;
  } else {
    program.emplace_back(cuda::Im2col{request.rows, static_cast<const cuda::Half*>(cells.data), cells.stride,
                                      term.conv, term.depth, request.columns});
    product.cells = request.columns;
    product.stride = term.depth;
  }
  program.emplace_back(product);
}

}  // namespace

void AppendProduct(const CudaTerm& term, const CudaProductRequest& request, cuda::Program& program) {
  const cuda::Cells cells =
      term.gather_start == nullptr ? request.source : AppendGather(term, request, program);
  if (request.by_digits) {
    AppendDigits(term, request, cells, program);
    return;
  }
  cuda::DirectProduct product;
  product.shape = term.shape;
  product.rows = request.rows;
  product.in = term.in;
  product.out = term.out;
  product.cells = cells;
  product.integers = cells.type != CellType::kFloat || request.as_floats ? term.integers : nullptr;
  product.floats = cells.type == CellType::kFloat && !request.as_floats ? term.floats : nullptr;
  product.conv = term.conv;
  product.sparse_start = term.sparse_start;
  product.sparse_cell = term.sparse_cell;
  product.wide = request.wide;
  product.sums = request.sums;
  program.emplace_back(product);
}

void SetSums(const CudaTerm& term, bool by_digits, const float* sums, cuda::ScanTerm& to) {
  to.high = sums;
  if (!by_digits) {
    to.low = nullptr;
    to.pixels = 1;
    to.channels = term.out;
    to.stride = term.out;
    return;
  }
  to.low = term.digit_count == 2 ? sums + term.width : nullptr;
  to.pixels = term.shape == ProductShape::kConv ? cuda::Pixels(term.conv) : 1;
  to.channels = term.shape == ProductShape::kConv ? term.conv.out_channels : term.out;
  to.stride = term.digit_count * term.width;
}

}  // namespace spikeserve::engine
