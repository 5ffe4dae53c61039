#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/atomics.h"
#include "kernels/cuda/cells.h"
#include "kernels/cuda/digit_product.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/unroll.h"
#include "kernels/math/annotations.h"
#include "kernels/math/neuron.h"

// A layer over all steps of a chunk: what its terms contribute, filtered and added, then the membrane and
// what it emits. One thread takes one neuron of one sample through time with its state in registers.
namespace spikeserve::cuda {

// What one term adds to the neurons of a layer.
struct ScanTerm {
  // Sums of a product: sum j of row r lies at (r * pixels + j / channels) * stride + j % channels.
  const float* high = nullptr;  // sums, or their high digits
  const float* low = nullptr;   // their low digits; null: `high` holds sums that are rounded once
  std::int64_t pixels = 1, channels = 1, stride = 0;
  bool held = false;              // one row per sample: the source does not vary in time
  const float* scale = nullptr;   // [size]
  const float* offset = nullptr;  // [size], or null
  bool filtered = false;          // behind the weights, with one step of delay
  float decay = 0;
  float* filter = nullptr;  // [samples][size], state
  // Where counts of the source above `fail_above` make a sum that may not be exact; null: not in this
  // program.
  const std::int32_t* largest = nullptr;  // [samples]: of the source's counts in this chunk
  std::int32_t fail_above = 0;
};

constexpr int kScanTerms = 4;

// What becomes of the summed current. The first three give values, the others spikes.
enum class ScanKind {
  kSum,              // itself
  kLinear,           // plus the bias
  kRectifiedLinear,  // the rate of the neuron
  kSpikingRectifiedLinear,
  kIntegrateAndFire,
  kLif,
};
SPIKESERVE_HOST_DEVICE constexpr bool IsSpiking(ScanKind kind) {
  return kind >= ScanKind::kSpikingRectifiedLinear;
}

constexpr int kNeuronState = 2;  // floats per neuron: voltage, refractory time

// `failed` of a sample none of whose layers has failed; else the layer plus one.
constexpr std::int32_t kNotFailed = 0;
// Spike counts are kept below this, where float32 still counts exactly.
constexpr float kMaxSpikesPerStep = 16777216.0F;

struct Scan {
  std::int64_t samples = 0, steps = 0, size = 0;
  ScanKind kind = ScanKind::kSum;
  std::int32_t layer = 0;       // what `failed` is set to
  const float* base = nullptr;  // [samples][steps][size]: what earlier terms gave; null: zeros
  ScanTerm terms[kScanTerms];
  std::int32_t term_count = 0;
  const float* bias = nullptr;  // [size]; not of kSum
  float bias_factor = 1;        // of kLinear
  float amplitude = 1;          // of kRectifiedLinear
  math::LifConstants lif{};
  float* state[kNeuronState] = {nullptr, nullptr};  // [samples][size], where the kind has it

  float* values = nullptr;  // [samples][steps][size], of the kinds without spikes
  void* counts = nullptr;   // [samples][steps][count_stride], or null where nobody reads them
  CellType count_type = CellType::kHalf;
  std::int64_t count_stride = 0;
  float* voltages = nullptr;              // [samples][steps][size], or null
  std::int64_t* neuron_spikes = nullptr;  // [samples][size], increased; or null
  std::int64_t* sample_spikes = nullptr;  // [samples], increased
  bool folded = false;                    // the spikes go into `fold`
  FoldState fold;

  // Counts above `count_limit` do not suit the products of this program: `exceeded` is set. Where there is no
  // limit, `failed` is set to the layer when a count leaves the range of float32, and `largest` holds the
  // largest.
  std::int32_t count_limit = 0;
  std::int32_t* exceeded = nullptr;
  std::int32_t* failed = nullptr;   // [samples]
  std::int32_t* largest = nullptr;  // [samples]
};

template <ScanKind kKind>
SPIKESERVE_HOST_DEVICE float StepNeuron(const Scan& scan, float current, float (&state)[kNeuronState]) {
  if constexpr (kKind == ScanKind::kSpikingRectifiedLinear) {
    return math::StepSpikingRectifiedLinear(current, state[0]);
  } else if constexpr (kKind == ScanKind::kIntegrateAndFire) {
    return math::StepIntegrateAndFire(current, state[0]);
  } else if constexpr (kKind == ScanKind::kLif) {
    return math::StepLif(current, scan.lif, state[0], state[1]);
  } else {
    return math::RectifiedLinearRate(current, scan.amplitude);
  }
}

// A term as one thread sees it.
struct TermElement {
  const float* high = nullptr;
  const float* low = nullptr;
  std::int64_t step = 0;  // from one step to the next
  float scale = 0, offset = 0, filter = 0;
};

SPIKESERVE_HOST_DEVICE TermElement LoadTerm(const Scan& scan, const ScanTerm& term, std::int64_t sample,
                                            std::int64_t j) {
  const std::int64_t row = term.held ? sample : sample * scan.steps;
  const std::int64_t at = (row * term.pixels + j / term.channels) * term.stride + j % term.channels;
  TermElement element;
  element.high = term.high + at;
  element.low = term.low == nullptr ? nullptr : term.low + at;
  element.step = term.held ? 0 : term.pixels * term.stride;
  element.scale = term.scale[j];
  element.offset = term.offset == nullptr ? 0.0F : term.offset[j];
  element.filter = term.filtered ? term.filter[sample * scan.size + j] : 0.0F;
  return element;
}

// Adds what the term gives at `step` to `total`.
SPIKESERVE_HOST_DEVICE void AddTerm(const ScanTerm& term, std::int64_t step, TermElement& element,
                                    float& total) {
  const std::int64_t at = step * element.step;
  const float sum =
      element.low == nullptr ? element.high[at] : CombineDigits(element.high[at], element.low[at]);
  float current = sum * element.scale;
  if (term.offset != nullptr) {
    current = current + element.offset;
  }
  if (term.filtered) {
    total = total + element.filter;
    element.filter = fmaf(term.decay, element.filter, current);
  } else {
    total = total + current;
  }
}

// What one thread saw of the counts.
struct CountTally {
  std::int64_t spikes = 0;
  std::int32_t largest = 0;
  bool in_range = true;
};

// The count of a step, 0 where it is out of range.
SPIKESERVE_HOST_DEVICE std::int32_t Tally(const Scan& scan, float spikes, CountTally& tally) {
  const float limit = scan.exceeded != nullptr ? static_cast<float>(scan.count_limit) : kMaxSpikesPerStep - 1;
  const bool in_range = fabsf(spikes) <= limit;  // false for what is not a number
  tally.in_range = tally.in_range && in_range;
  const auto count = static_cast<std::int32_t>(in_range ? spikes : 0.0F);
  tally.spikes += count;
  const std::int32_t magnitude = count < 0 ? -count : count;
  tally.largest = magnitude > tally.largest ? magnitude : tally.largest;
  return count;
}

SPIKESERVE_HOST_DEVICE void Report(const Scan& scan, std::int64_t sample, const CountTally& tally) {
  if (!tally.in_range) {
    if (scan.exceeded != nullptr) {
      *scan.exceeded = 1;  // every writer writes the same
    } else {
      SetOnce(scan.failed + sample, kNotFailed, scan.layer + 1);
    }
  }
  if (scan.largest != nullptr && tally.largest > 0) {
    AtomicMax(scan.largest + sample, tally.largest);
  }
}

SPIKESERVE_HOST_DEVICE void CheckSources(const Scan& scan, std::int64_t sample) {
  for (std::int32_t t = 0; t < scan.term_count; ++t) {
    const ScanTerm& term = scan.terms[t];
    if (term.largest != nullptr && term.largest[sample] > term.fail_above) {
      SetOnce(scan.failed + sample, kNotFailed, scan.layer + 1);
    }
  }
}

// Neuron j of a sample over the chunk. Returns its spikes.
template <ScanKind kKind, int kTerms>
SPIKESERVE_HOST_DEVICE std::int64_t RunNeuron(const Scan& scan, std::int64_t sample, std::int64_t j) {
  const std::int64_t at = sample * scan.size + j;
  TermElement terms[kTerms];
  float state[kNeuronState] = {0, 0};
  SPIKESERVE_UNROLL
  for (int t = 0; t < kTerms; ++t) {
    if (t < scan.term_count) {
      terms[t] = LoadTerm(scan, scan.terms[t], sample, j);
    }
  }
  SPIKESERVE_UNROLL
  for (int i = 0; i < kNeuronState; ++i) {
    state[i] = scan.state[i] == nullptr ? 0.0F : scan.state[i][at];
  }
  const float bias = scan.bias == nullptr ? 0.0F : scan.bias[j];
  const std::int64_t done = scan.folded ? *scan.fold.clock : 0;
  FoldElement fold = scan.folded ? LoadFold(scan.fold, at) : FoldElement{};
  CountTally tally;
  CheckSources(scan, sample);
  for (std::int64_t step = 0; step < scan.steps; ++step) {
    const std::int64_t row = sample * scan.steps + step;
    float total = scan.base == nullptr ? 0.0F : scan.base[row * scan.size + j];
    SPIKESERVE_UNROLL
    for (int t = 0; t < kTerms; ++t) {
      if (t < scan.term_count) {
        AddTerm(scan.terms[t], step, terms[t], total);
      }
    }
    if constexpr (kKind == ScanKind::kSum) {
      scan.values[row * scan.size + j] = total;
    } else if constexpr (kKind == ScanKind::kLinear) {
      scan.values[row * scan.size + j] = total + bias * scan.bias_factor;
    } else {
      const float emitted = StepNeuron<kKind>(scan, total + bias, state);
      if constexpr (!IsSpiking(kKind)) {
        scan.values[row * scan.size + j] = emitted;
      } else {
        const std::int32_t count = Tally(scan, emitted, tally);
        if (scan.counts != nullptr) {
          StoreCount(scan.counts, scan.count_type, row * scan.count_stride + j, count);
        }
        if (scan.voltages != nullptr) {
          scan.voltages[row * scan.size + j] = state[0];
        }
        if (scan.folded) {
          StepFold(scan.fold, static_cast<float>(count), done + step + 1, fold);
        }
      }
    }
  }
  SPIKESERVE_UNROLL
  for (int t = 0; t < kTerms; ++t) {
    if (t < scan.term_count && scan.terms[t].filtered) {
      scan.terms[t].filter[at] = terms[t].filter;
    }
  }
  SPIKESERVE_UNROLL
  for (int i = 0; i < kNeuronState; ++i) {
    if (scan.state[i] != nullptr) {
      scan.state[i][at] = state[i];
    }
  }
  if constexpr (IsSpiking(kKind)) {
    Report(scan, sample, tally);
    if (scan.folded) {
      StoreFold(scan.fold, at, fold);
    }
    if (scan.neuron_spikes != nullptr) {
      scan.neuron_spikes[at] += tally.spikes;
    }
  }
  return tally.spikes;
}

// Calls run.operator()<kind, terms> with the kind of the scan and at least its terms.
template <typename Run>
auto WithKind(const Scan& scan, Run run) {
  const auto with_terms = [&]<ScanKind kKind>() {
    return scan.term_count <= 1 ? run.template operator()<kKind, 1>()
                                : run.template operator()<kKind, kScanTerms>();
  };
  switch (scan.kind) {
    case ScanKind::kLinear: return with_terms.template operator()<ScanKind::kLinear>();
    case ScanKind::kRectifiedLinear: return with_terms.template operator()<ScanKind::kRectifiedLinear>();
    case ScanKind::kSpikingRectifiedLinear:
      return with_terms.template operator()<ScanKind::kSpikingRectifiedLinear>();
    case ScanKind::kIntegrateAndFire: return with_terms.template operator()<ScanKind::kIntegrateAndFire>();
    case ScanKind::kLif: return with_terms.template operator()<ScanKind::kLif>();
    case ScanKind::kSum: break;
  }
  return with_terms.template operator()<ScanKind::kSum>();
}

}  // namespace spikeserve::cuda
