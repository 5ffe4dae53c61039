#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/packed_weights.h"
#include "kernels/cpu/pool_cells.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "kernels/cpu/spikes/event_layer.h"
#include "kernels/cpu/spikes/event_weights.h"
#include "server/engine/plan/plan.h"

namespace spikeserve::engine {

// A dense or convolutional product as the vector kernels want it: output pixels of so many channels, each
// with the ranges of cells under its window, and the weights packed in blocks of output channels. Immutable.
struct VectorTerm {
  std::int64_t pixels = 0;
  std::int64_t channels = 0;
  kernels::ProductKind kind = kernels::ProductKind::kDense;
  kernels::ConvGeometry conv;
  std::int64_t cells = 0;
  // Cells that are under a window, and in a tile of the weights, together or not at all.
  std::int64_t unit = 1;
  kernels::CellRuns runs;                   // where the product gathers its cells
  kernels::EventWeights events;             // behind spiking populations
  kernels::DigitWeights digits;             // likewise, where the digit path may be taken
  kernels::PackedWeights<float> floats;     // behind inputs
  kernels::PackedWeights<double> integers;  // behind inputs that take bytes

  // Into a layer with memory: the sum of the integers of each channel.
  std::vector<std::int64_t> row_sums;
  // Of a convolution into such a layer: bytes of a row of the padded image, and rows.
  std::int64_t plane_row = 0, plane_rows = 0;

  std::int32_t largest_weight = 0;  // magnitude, of the weights as integers
  double max_row_sum = 0;           // likewise, of an output's weights

  bool empty() const { return pixels == 0; }
  // Weights behind one output, windows over the edge left out.
  std::int64_t fan_in() const {
    return kind == kernels::ProductKind::kDense ? cells
                                                : conv.kernel_height * conv.kernel_width * conv.in_channels;
  }
  // Replaces `ranges` by those under the window of an output pixel, in ascending order.
  void Window(std::int64_t pixel, std::vector<kernels::CellRange>& ranges) const;
  // Runs of cells under a window that is not over the edge.
  std::int64_t ranges() const;
  std::int64_t bytes() const;
};

// Which layers the vector kernels can run, and their weights. A layer without is run by the plain loops, with
// the same result. Immutable, hence thread-safe.
struct VectorLayerWeights {
  bool usable = false;
  kernels::EventNeuron neuron = kernels::EventNeuron::kSpikingRectifiedLinear;  // where usable
  // Empty ones where the plain loops supply the current. With memory: of the closed form (closed_pass.h).
  std::vector<VectorTerm> terms;
};
using VectorWeights = std::vector<VectorLayerWeights>;  // [layer of the plan]

// With digits where they may be faster on this machine; `all_digits`: wherever they fit.
VectorWeights MakeVectorWeights(const Plan& plan, bool all_digits = false);
std::int64_t VectorWeightsBytes(const VectorWeights& weights);

}  // namespace spikeserve::engine
