#include "server/engine/cpu/layout/vector_weights.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/spikes/event_layer.h"
#include "kernels/cpu/spikes/event_sums.h"
#include "server/engine/cpu/layout/sum_bounds.h"
#include "server/engine/network/index.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/run/constants/neuron_constants.h"

namespace spikeserve::engine {
namespace {

using kernels::CellRange;
using kernels::ConvGeometry;
using kernels::Product;
using kernels::ProductKind;

// One row of the window of output position (y, x): the cells of its taps lie side by side unless dilated.
void AddRowRanges(const ConvGeometry& g, std::int64_t unit, std::int64_t in_y, std::int64_t kernel_y,
                  std::int64_t out_x, std::vector<CellRange>& ranges) {
  const std::int64_t units = g.in_channels / unit;  // of a pixel
  const std::int64_t left = out_x * g.stride_x - g.pad_left;
  const auto add = [&](std::int64_t first_tap, std::int64_t taps) {
    const std::int64_t in_x = left + first_tap * g.dilation_x;
    const std::int64_t pixel = in_y * g.in_width + in_x;
    ranges.push_back({static_cast<std::int32_t>(pixel * g.in_channels),
                      static_cast<std::int32_t>(taps * g.in_channels),
                      static_cast<std::int32_t>((kernel_y * g.kernel_width + first_tap) * g.in_channels),
                      static_cast<std::int32_t>(pixel * units), static_cast<std::int32_t>(taps * units)});
  };
  if (g.dilation_x == 1) {
    const std::int64_t first = std::max<std::int64_t>(0, -left);
    const std::int64_t end = std::min(g.kernel_width, g.in_width - left);
    if (first < end) {
      add(first, end - first);
    }
    return;
  }
  for (std::int64_t tap = 0; tap < g.kernel_width; ++tap) {
    const std::int64_t in_x = left + tap * g.dilation_x;
    if (in_x >= 0 && in_x < g.in_width) {
      add(tap, 1);
    }
  }
}

// Rows of 32-bit weights of a tile, at most: 20 KB of a first-level cache of 32. Negatives are left out: a
// cell that fires steadily counts either more than usual or less, as a rule. Twice as many of 16 bits.
constexpr std::int64_t kTileRows = 320;
static_assert(2 * 2 * kTileRows < kernels::kMaxTileRows);  // also with negatives

std::int64_t DivideUp(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Cells of a unit. Where a pixel has more channels than a tile should have rows, a large divisor of them.
std::int64_t UnitOf(const Product& product, std::int64_t tile_rows) {
  if (product.kind == ProductKind::kDense) {
    return DivideUp(product.in, DivideUp(product.in, tile_rows));
  }
  const std::int64_t channels = product.conv.in_channels;
  for (std::int64_t unit = std::min(channels, tile_rows); unit >= std::min(channels, tile_rows / 5); --unit) {
    if (channels % unit == 0) {
      return unit;
    }
  }
  return channels;
}

// Whole units, as many in one tile as in the other.
std::int64_t TileRows(std::int64_t rows, std::int64_t unit, std::int64_t most) {
  const std::int64_t units = DivideUp(rows, unit);
  const std::int64_t tiles = DivideUp(units, std::max<std::int64_t>(1, most / unit));
  return DivideUp(units, tiles) * unit;
}

// A layer of more weights than that would hardly be faster by digits, but they take memory.
constexpr std::int64_t kMostDigitWeights = std::int64_t{1} << 20;

// Likewise for negatives: those of larger layers would come from further away than they save.
constexpr std::int64_t kMostNegatedWeights = std::int64_t{1} << 17;

VectorTerm MakeTerm(const Plan& plan, const Term& term, bool all_digits) {
  const Product& product = term.product;
  const Population& population = plan.populations[Index(term.population)];
  const bool grouped = product.kind == ProductKind::kConv && product.conv.groups != 1;
  VectorTerm packed;
  if (product.kind == ProductKind::kSparse || grouped || (population.layer >= 0 && !population.spiking)) {
    return packed;
  }
  for (const std::int32_t weight : product.integers) {
    packed.largest_weight = std::max(packed.largest_weight, std::abs(weight));
  }
  const bool narrow = population.spiking && packed.largest_weight <= INT16_MAX;
  const std::int64_t tile_rows = narrow ? 2 * kTileRows : kTileRows;
  packed.unit = UnitOf(product, tile_rows);
  if (population.spiking && packed.unit >= kernels::kMaxTileRows) {
    return {};
  }
  const bool dense = product.kind == ProductKind::kDense;
  const std::int64_t channels = dense ? product.out : product.conv.out_channels;
  packed.pixels = dense ? 1 : product.conv.out_height * product.conv.out_width;
  packed.channels = channels;
  packed.kind = product.kind;
  packed.conv = product.conv;
  packed.cells = product.in;
  const auto rows =
      static_cast<std::int64_t>(std::max(product.integers.size(), product.floats.size())) / channels;
  if (!product.gather.start.empty()) {
    packed.runs = kernels::CellRuns(product.gather);
  }
  if (population.spiking) {
    packed.max_row_sum = product.max_row_sum;
    packed.events = {std::span<const std::int32_t>(product.integers),
                     rows,
                     channels,
                     TileRows(rows, packed.unit, tile_rows),
                     narrow,
                     packed.unit <= tile_rows && rows * channels <= kMostNegatedWeights};
    if (all_digits || (rows <= kernels::MostDigitRows() && rows * channels <= kMostDigitWeights)) {
      packed.digits = {product.integers, rows, channels, dense ? 1 : product.conv.kernel_height};
    }
    return packed;
  }
  packed.floats = {std::span<const float>(product.floats), rows, channels, kernels::FloatProductBlockWidth()};
  // A byte times a digit, over all rows, and the whole sums.
  const bool fits =
      static_cast<double>(rows) * 255 * 128 < kNarrowSums && product.max_row_sum * 255 < kHalvedSums;
  if (!product.integers.empty() && dense && fits && packed.runs.runs() == 0 &&
      (all_digits || kernels::HasDigitInstructions())) {
    packed.digits = {product.integers, rows, channels};
  }
  if (!product.integers.empty()) {
    packed.integers = {std::span<const std::int32_t>(product.integers), rows, channels,
                       kernels::DoubleProductBlockWidth()};
  }
  return packed;
}

// The image of a convolution, its padding included, as long as windows reach.
void LayOutPlane(VectorTerm& packed) {
  const kernels::ConvGeometry& g = packed.conv;
  packed.plane_row = ((g.out_width - 1) * g.stride_x + g.kernel_width) * g.in_channels;
  packed.plane_rows = (g.out_height - 1) * g.stride_y + (g.kernel_height - 1) * g.dilation_y + 1;
}

// Of a layer with memory: digits wherever they fit. An empty one where plain loops must do.
VectorTerm MakeMemoryTerm(const Term& term) {
  const Product& product = term.product;
  const bool dense = product.kind == ProductKind::kDense;
  const bool plain = dense || (product.kind == ProductKind::kConv && product.conv.groups == 1 &&
                               product.conv.dilation_x == 1);
  VectorTerm packed;
  if (!plain || product.integers.empty() || kernels::MostDigitCount() == 0) {
    return packed;
  }
  const std::int64_t channels = dense ? product.out : product.conv.out_channels;
  const std::int64_t rows = static_cast<std::int64_t>(product.integers.size()) / channels;
  if (static_cast<double>(rows) * 255 * 128 >= kNarrowSums || product.max_row_sum * 255 >= kHalvedSums) {
    return packed;
  }
  packed.pixels = dense ? 1 : product.conv.out_height * product.conv.out_width;
  packed.channels = channels;
  packed.kind = product.kind;
  packed.conv = product.conv;
  packed.cells = product.in;
  packed.digits = {product.integers, rows, channels, dense ? 1 : product.conv.kernel_height};
  packed.row_sums.assign(Index(channels), 0);
  for (std::size_t e = 0; e < product.integers.size(); ++e) {
    packed.row_sums[e % packed.row_sums.size()] += product.integers[e];
  }
  if (!product.gather.start.empty()) {
    packed.runs = kernels::CellRuns(product.gather);
  }
  if (!dense) {
    LayOutPlane(packed);
  }
  return packed;
}

// What the event-driven kernels call the layer's neurons, where they know them and its terms.
std::optional<kernels::EventNeuron> EventNeuronOf(const Layer& layer) {
  const NeuronLayer* layer_neurons = NeuronsOf(layer);
  if (layer_neurons == nullptr || layer.terms.size() > kernels::kMaxEventTerms ||
      !std::all_of(layer.terms.begin(), layer.terms.end(),
                   [](const Term& term) { return IsSimple(term.synapse, term.delay_steps); })) {
    return std::nullopt;
  }
  // The type is that of any dt.
  const NeuronConstants neurons = MakeNeuronConstants(layer_neurons->model, kDefaultDt);
  if (neurons.spikes && std::holds_alternative<math::spiking::RectifiedLinear>(*neurons.spikes)) {
    return kernels::EventNeuron::kSpikingRectifiedLinear;
  }
  if (neurons.spikes && std::holds_alternative<math::spiking::IntegrateAndFire>(*neurons.spikes)) {
    return kernels::EventNeuron::kIntegrateAndFire;
  }
  return std::nullopt;
}

// All terms must cut the layer's neurons into the same pixels and channels; a term of an input fits any.
bool HasOneShape(const Plan& plan, const Layer& layer, const VectorLayerWeights& packed) {
  const VectorTerm* shape = nullptr;
  for (std::size_t t = 0; t < layer.terms.size(); ++t) {
    const VectorTerm& term = packed.terms[t];
    if (plan.populations[Index(layer.terms[t].population)].layer < 0) {
      continue;
    }
    if (term.empty() || (shape != nullptr && shape->pixels != term.pixels)) {
      return false;
    }
    shape = &term;
  }
  return true;
}

}  // namespace

void VectorTerm::Window(std::int64_t pixel, std::vector<CellRange>& ranges) const {
  ranges.clear();
  if (kind == ProductKind::kDense) {
    ranges.push_back(
        {0, static_cast<std::int32_t>(cells), 0, 0, static_cast<std::int32_t>((cells + unit - 1) / unit)});
    return;
  }
  for (std::int64_t tap = 0; tap < conv.kernel_height; ++tap) {
    const std::int64_t in_y = pixel / conv.out_width * conv.stride_y + tap * conv.dilation_y - conv.pad_top;
    if (in_y >= 0 && in_y < conv.in_height) {
      AddRowRanges(conv, unit, in_y, tap, pixel % conv.out_width, ranges);
    }
  }
}

std::int64_t VectorTerm::ranges() const {
  if (kind == ProductKind::kDense) {
    return 1;
  }
  return conv.kernel_height * (conv.dilation_x == 1 ? 1 : conv.kernel_width);
}

std::int64_t VectorTerm::bytes() const {
  return runs.bytes() + events.bytes() + digits.bytes() + floats.bytes() + integers.bytes() +
         static_cast<std::int64_t>(row_sums.size() * sizeof(std::int64_t));
}

VectorWeights MakeVectorWeights(const Plan& plan, bool all_digits) {
  VectorWeights vectors(plan.layers.size());
  for (std::size_t l = 0; l < vectors.size(); ++l) {
    const Layer& layer = plan.layers[l];
    for (std::size_t t = 0; HasMemory(layer) && t < layer.terms.size(); ++t) {
      vectors[l].terms.push_back(ReadsCounts(layer) ? VectorTerm() : MakeMemoryTerm(layer.terms[t]));
    }
    const std::optional<kernels::EventNeuron> neuron = EventNeuronOf(layer);
    if (!neuron) {
      continue;
    }
    vectors[l].neuron = *neuron;
    for (const Term& term : layer.terms) {
      vectors[l].terms.push_back(MakeTerm(plan, term, all_digits));
    }
    vectors[l].usable = HasOneShape(plan, layer, vectors[l]);
    if (!vectors[l].usable) {
      vectors[l].terms.clear();
    }
  }
  return vectors;
}

std::int64_t VectorWeightsBytes(const VectorWeights& weights) {
  std::int64_t bytes = 0;
  for (const VectorLayerWeights& layer : weights) {
    for (const VectorTerm& term : layer.terms) {
      bytes += term.bytes();
    }
  }
  return bytes;
}

}  // namespace spikeserve::engine
