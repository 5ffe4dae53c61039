#include "server/engine/cuda/layout/scratch.h"

#include <algorithm>

#include "kernels/cuda/columns.h"
#include "kernels/cuda/digit_product.h"
#include "kernels/cuda/scan.h"

namespace spikeserve::engine {
namespace {

std::int64_t SumsOf(const CudaRun& run, std::size_t layer, std::size_t term, std::int64_t rows) {
  const CudaTerm& weights = run.weights->term(layer, term);
  const std::int64_t direct = rows * weights.out;
  if (!UsesDigits(run, layer, term)) {
    return direct;
  }
  const std::int64_t pixels = weights.shape == cuda::ProductShape::kConv ? cuda::Pixels(weights.conv) : 1;
  return std::max(direct, rows * pixels * weights.digit_count * weights.width);
}

}  // namespace

bool UsesDigits(const CudaRun& run, std::size_t layer, std::size_t term) {
  const CudaTerm& weights = run.weights->term(layer, term);
  return run.stepped[layer] && weights.digits != nullptr;
}

bool UsesDigits(const CudaRun& run) {
  for (std::size_t l = 0; l < run.plan->layers.size(); ++l) {
    for (std::size_t t = 0; t < run.plan->layers[l].terms.size(); ++t) {
      if (UsesDigits(run, l, t) || (run.IsClosed(l) && run.weights->term(l, t).bytes != nullptr)) {
        return true;
      }
    }
  }
  return false;
}

bool CellsAreColumns(const CudaTerm& term) {
  if (term.shape == cuda::ProductShape::kDense) {
    return true;
  }
  const cuda::ConvMap& g = term.conv;
  return g.kernel_height == 1 && g.kernel_width == 1 && g.stride_y == 1 && g.stride_x == 1 &&
         g.pad_top == 0 && g.pad_left == 0 && g.in_height == g.out_height && g.in_width == g.out_width &&
         g.in_channels % cuda::kHalfUnit == 0;
}

CudaLayerScratch LayOutScratch(const CudaRun& run, std::size_t layer, std::int64_t rows, bool reading,
                               CudaArena& arena) {
  const Layer& plan = run.plan->layers[layer];
  CudaLayerScratch scratch;
  std::int64_t cells = 0;
  std::int64_t columns = 0;
  std::int64_t means = 0;
  std::vector<std::int64_t> sums(cuda::kScanTerms, 0);
  std::vector<std::int64_t> filtered(cuda::kScanTerms, 0);
  for (std::size_t t = 0; t < plan.terms.size(); ++t) {
    const CudaTerm& term = run.weights->term(layer, t);
    const bool held = run.populations[Index(plan.terms[t].population)].held;
    if (term.gather_start != nullptr) {
      cells = std::max(cells, rows * cuda::PadHalves(term.in));
    }
    if (reading) {
      means = std::max(means, rows * run.population(plan.terms[t].population).size);
    } else if (UsesDigits(run, layer, t) && !CellsAreColumns(term)) {
      columns = std::max(columns, rows * cuda::Pixels(term.conv) * term.depth);
    }
    std::int64_t& slot = sums[t % cuda::kScanTerms];
    slot = std::max(slot, reading ? rows * term.out : (held ? 0 : SumsOf(run, layer, t, rows)));
    if (!reading && run.term_filters[layer][t] != nullptr) {
      filtered[t % cuda::kScanTerms] = rows * plan.size;
    }
  }
  const bool probed = plan.emits() && run.population(plan.population).spiking &&
                      (run.IsProbed(layer, true) || run.IsRecorded(layer, ProbeQuantity::kVoltage));
  scratch.cells = arena.Take<std::int32_t>(cells);
  scratch.columns = arena.Take<cuda::Half>(columns);
  for (const std::int64_t count : sums) {
    scratch.sums.push_back(arena.Take<float>(count));
  }
  for (const std::int64_t count : filtered) {
    scratch.filtered.push_back(arena.Take<float>(count));
  }
  scratch.base = arena.Take<float>(plan.terms.size() > cuda::kScanTerms ? rows * plan.size : 0);
  scratch.values = arena.Take<float>(reading ? means : (plan.emits() ? 0 : rows * plan.size));
  scratch.voltages = arena.Take<float>(probed && !reading ? rows * plan.size : 0);
  const bool recorded = !reading && run.IsRecorded(layer, ProbeQuantity::kCurrent);
  scratch.currents = arena.Take<float>(recorded ? rows * plan.size : 0);
  scratch.probed = arena.Take<float>(!reading && run.HasProbeFilter(layer) ? rows * plan.size : 0);
  return scratch;
}

std::int64_t ScratchBytes(const CudaRun& run, std::int64_t rows) {
  std::int64_t most = 0;
  for (std::size_t l = 0; l < run.stepped.size(); ++l) {
    if (run.stepped[l]) {
      CudaArena arena;
      LayOutScratch(run, l, rows, false, arena);
      most = std::max(most, arena.used());
    }
  }
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    if (run.folded[p]) {
      CudaArena arena;
      LayOutScratch(run, Index(run.probe(p).layer), rows, true, arena);
      most = std::max(most, arena.used());
    }
  }
  return most;
}

}  // namespace spikeserve::engine
