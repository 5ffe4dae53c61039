#include "server/engine/cuda/layout/closed_products.h"

#include <algorithm>

#include "kernels/cuda/columns.h"
#include "server/engine/cuda/layout/products.h"
#include "server/engine/cuda/layout/program_parts.h"

namespace spikeserve::engine {
namespace {

// What rows of values give, as float32 that is not scaled yet.
const float* AppendValues(const CudaScene& scene, std::size_t l, std::size_t t, const ValueRows& rows,
                          cuda::Program& program) {
  CudaArena arena(scene.buffers.scratch);
  const CudaClosedScratch scratch = LayOutClosedScratch(scene.run, l, scene.launch.rows(), arena);
  CudaProductRequest request;
  request.rows = rows.samples * rows.steps;
  request.source = rows.source;
  request.cells = scratch.gathered;
  request.sums = scratch.values;
  AppendProduct(scene.run.weights->term(l, t), request, program);
  return scratch.values;
}

void AppendHeldWholes(const CudaScene& scene, std::size_t l, std::size_t t, std::int64_t first,
                      std::int64_t count, const CudaPlanes& planes, cuda::Program& program) {
  const std::int64_t size = scene.run.plan->layers[l].size;
  const CudaTermBuffers& buffers = scene.buffers.layers[l].terms[t];
  const cuda::Cells cells = InputCells(scene, scene.run.plan->layers[l].terms[t].population, first, 1, false);
  ClosedProducts products(scene, l, planes, first, count, program);
  cuda::SumCharges sum;
  sum.rows = count;
  sum.size = size;
  sum.term = products.Append(t, {{cells.data, cuda::WholeType::kByte, cells.stride}, nullptr});
  sum.term.offset = buffers.whole_offset;
  sum.wholes = buffers.whole + first * size;
  program.emplace_back(sum);
}

}  // namespace

CudaPlanes FewestPlanes(const CudaRun& run) {
  CudaPlanes planes(run.operand_count, 1);
  for (std::size_t l = 0; l < run.closed_layers.size(); ++l) {
    for (std::size_t t = 0; run.IsClosed(l) && t < run.plan->layers[l].terms.size(); ++t) {
      if (run.closed_layers[l].sources[t] == ChargeSource::kHeld) {
        planes[run.OperandOf(l, t)] = cuda::PlanesOf(kLargestByte * run.weights->term(l, t).gather_most);
      }
    }
  }
  return planes;
}

ClosedProducts::ClosedProducts(const CudaScene& scene, std::size_t layer, const CudaPlanes& planes,
                               std::int64_t first, std::int64_t count, cuda::Program& program)
    : scene_(scene), layer_(layer), planes_(planes), first_(first), count_(count), program_(program) {
  CudaArena arena(scene.buffers.scratch);
  scratch_ = LayOutClosedScratch(scene.run, layer, scene.launch.rows(), arena);
}

cuda::MemoryTerm ClosedProducts::Append(std::size_t t, const WholeSource& source) {
  return scene_.run.weights->term(layer_, t).bytes != nullptr ? AppendDigits(t, source)
                                                              : AppendWholes(t, source);
}
cuda::PlaneRoom ClosedProducts::Room(std::size_t operand) const {
  return {planes_[operand], scene_.buffers.needed + operand, scene_.buffers.untold + first_};
}

cuda::TakeCells ClosedProducts::Take(const CudaTerm& term, const WholeSource& source) const {
  cuda::TakeCells take;
  take.rows = count_;
  take.size = term.in;
  take.source = source.wholes;
  take.start = term.gather_start;
  take.index = term.gather_index;
  return take;
}

cuda::MemoryTerm ClosedProducts::AppendDigits(std::size_t t, const WholeSource& source) {
  const CudaTerm& term = scene_.run.weights->term(layer_, t);
  const std::size_t operand = scene_.run.OperandOf(layer_, t);
  const std::int8_t* cells = source.digits;
  const std::int64_t stride = cuda::PadBytes(term.in);
  if (operand >= scene_.run.populations.size()) {
    cuda::TakeCells take = Take(term, source);
    take.digits = scratch_.digits;
    take.stride = stride;
    take.room = Room(operand);
    program_.emplace_back(take);
    cells = scratch_.digits;
  }
  const bool conv = term.shape == cuda::ProductShape::kConv;
  const std::int64_t pixels = conv ? cuda::Pixels(term.conv) : 1;
  const std::int64_t rows = planes_[operand] * count_;
  cuda::ByteProduct product;
  product.rows = rows * pixels;
  product.depth = product.stride = term.byte_depth;
  product.columns = term.byte_digits * term.byte_width;
  product.cells = cells;
  product.digits = term.bytes;
  product.sums = scratch_.sums[t].digits;
  if (!DigitsAreColumns(term)) {
    program_.emplace_back(
        cuda::ByteColumns{rows, cells, stride, term.conv, term.byte_depth, scratch_.columns});
    product.cells = scratch_.columns;
  }
  program_.emplace_back(product);
  cuda::MemoryTerm sums;
  sums.sums = product.sums;
  sums.rows = count_;
  sums.pixels = pixels;
  sums.channels = conv ? term.conv.out_channels : term.out;
  sums.width = term.byte_width;
  sums.planes = planes_[operand];
  sums.digits = term.byte_digits;
  return sums;
}

cuda::MemoryTerm ClosedProducts::AppendWholes(std::size_t t, const WholeSource& source) {
  const CudaTerm& term = scene_.run.weights->term(layer_, t);
  cuda::WholeProduct product;
  product.weights.shape = term.shape;
  product.weights.in = term.in;
  product.weights.out = term.out;
  product.weights.integers = term.integers;
  product.weights.conv = term.conv;
  product.weights.sparse_start = term.sparse_start;
  product.weights.sparse_cell = term.sparse_cell;
  product.rows = count_;
  product.cells = source.wholes;
  if (term.gather_start != nullptr) {
    cuda::TakeCells take = Take(term, source);
    take.cells = scratch_.cells;
    program_.emplace_back(take);
    product.cells = {scratch_.cells, cuda::WholeType::kInt64, term.in};
  }
  product.sums = scratch_.sums[t].wholes;
  product.about = scratch_.sums[t].about;
  program_.emplace_back(product);
  cuda::MemoryTerm sums;
  sums.wholes = product.sums;
  sums.about = product.about;
  return sums;
}

void AppendHeldCharges(const CudaScene& scene, std::size_t l, std::size_t t, cuda::Program& program) {
  const CudaRun& run = scene.run;
  const std::int64_t size = run.plan->layers[l].size;
  const CudaTermBuffers& buffers = scene.buffers.layers[l].terms[t];
  const CudaPlanes planes = FewestPlanes(run);
  const std::int64_t digits = run.IsWhole(l, t) ? planes[run.OperandOf(l, t)] : 1;
  const std::int64_t block = std::max<std::int64_t>(1, scene.launch.rows() / digits);
  for (std::int64_t first = 0; first < scene.launch.samples; first += block) {
    const std::int64_t count = std::min(block, scene.launch.samples - first);
    if (run.IsWhole(l, t)) {
      AppendHeldWholes(scene, l, t, first, count, planes, program);
      continue;
    }
    const cuda::Cells cells = InputCells(scene, run.plan->layers[l].terms[t].population, first, 1, true);
    const float* const sums = AppendValues(scene, l, t, {cells, first, count, 1}, program);
    program.emplace_back(cuda::RoundCharges{count, 1, size, sums, buffers.scale,
                                            scene.buffers.layers[l].memory.unit, false,
                                            buffers.whole + first * size});
  }
}

void AppendRounded(const CudaScene& scene, std::size_t l, std::size_t t, const ValueRows& rows,
                   cuda::Program& program) {
  const std::int64_t size = scene.run.plan->layers[l].size;
  const CudaTermBuffers& buffers = scene.buffers.layers[l].terms[t];
  const float* const sums = AppendValues(scene, l, t, rows, program);
  program.emplace_back(cuda::RoundCharges{rows.samples, rows.steps, size, sums, buffers.scale,
                                          scene.buffers.layers[l].memory.unit, true,
                                          buffers.received + rows.first * size});
}

}  // namespace spikeserve::engine
