#pragma once

#include <vector>

#include "server/engine/cuda/layout/closed_scratch.h"
#include "server/engine/cuda/layout/program.h"

// What the terms of a layer in closed form bring, as calls.
namespace spikeserve::engine {

// [operand]: how many digits of its counts a program has room for.
using CudaPlanes = std::vector<int>;

// One digit each, but for inputs, of which is known how many they need.
CudaPlanes FewestPlanes(const CudaRun& run);

// What a product of integers reads: counts as they are, and their digits where a layer has left them.
struct WholeSource {
  cuda::Wholes wholes;
  const std::int8_t* digits = nullptr;
};

// The products of one layer for a block of samples. Does not outlive its arguments.
class ClosedProducts {
 public:
  ClosedProducts(const CudaScene& scene, std::size_t layer, const CudaPlanes& planes, std::int64_t first,
                 std::int64_t count, cuda::Program& program);

  // Appends the product of a term, and says where what it gives lies.
  cuda::MemoryTerm Append(std::size_t term, const WholeSource& source);
  // For digits of an operand.
  cuda::PlaneRoom Room(std::size_t operand) const;

 private:
  cuda::TakeCells Take(const CudaTerm& term, const WholeSource& source) const;
  cuda::MemoryTerm AppendDigits(std::size_t term, const WholeSource& source);
  cuda::MemoryTerm AppendWholes(std::size_t term, const WholeSource& source);

  const CudaScene& scene_;
  const std::size_t layer_;
  const CudaPlanes& planes_;
  const std::int64_t first_, count_;
  cuda::Program& program_;
  CudaClosedScratch scratch_;
};

// What an input that is held brings to the term in one step.
void AppendHeldCharges(const CudaScene& scene, std::size_t layer, std::size_t term, cuda::Program& program);

// Rows of values that meet the weights of a term, [samples][steps].
struct ValueRows {
  cuda::Cells source;
  std::int64_t first = 0, samples = 0, steps = 1;  // of the samples of a batch
};
// Adds what values bring to the term in these steps, each rounded.
void AppendRounded(const CudaScene& scene, std::size_t layer, std::size_t term, const ValueRows& rows,
                   cuda::Program& program);

}  // namespace spikeserve::engine
