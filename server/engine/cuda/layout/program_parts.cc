#include "server/engine/cuda/layout/program_parts.h"

namespace spikeserve::engine {

cuda::FoldState From(const cuda::FoldState& fold, std::int64_t first, std::int64_t size) {
  cuda::FoldState from = fold;
  const std::int64_t offset = first * size;
  from.clock += first;
  from.total += offset;
  from.start += offset;
  from.last += offset;
  from.filtered = fold.filtered == nullptr ? nullptr : fold.filtered + offset;
  from.probed = fold.probed == nullptr ? nullptr : fold.probed + offset;
  return from;
}

cuda::Cells InputCells(const CudaScene& scene, std::int64_t input, std::int64_t first, std::int64_t steps,
                       bool as_values) {
  const CudaPopulation& use = scene.run.populations[Index(input)];
  const CudaPopulationBuffers& buffers = scene.buffers.populations[Index(input)];
  const std::int64_t size = scene.run.population(input).size;
  if (use.encoded) {  // made group by group
    return {buffers.values, cuda::CellType::kFloat, size};
  }
  const std::int64_t offset = first * size * (use.held ? 1 : steps);
  if (use.bytes && !as_values) {
    return {buffers.bytes + offset, cuda::CellType::kByte, size};
  }
  return {buffers.values + offset, cuda::CellType::kFloat, size};
}

}  // namespace spikeserve::engine
