#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <variant>

#include "kernels/cuda/atomics.h"
#include "kernels/cuda/cells.h"
#include "kernels/cuda/digit_product.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/scan_neuron.h"
#include "kernels/cuda/unroll.h"
#include "kernels/math/annotations.h"
#include "kernels/math/constant_charge.h"

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
  const float* scale = nullptr;   // [size]; null: the sums are currents
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
constexpr int kConstantTerms = 0;  // in place of a number of terms: their sum is the same at every step

// `failed` of a sample none of whose layers has failed; else the layer plus one.
constexpr std::int32_t kNotFailed = 0;
// Spike counts are kept below this, where float32 still counts exactly.
constexpr float kMaxSpikesPerStep = 16777216.0F;

struct Scan {
  std::int64_t samples = 0, steps = 0, size = 0;
  Emitter emitter;              // what becomes of the current
  std::int32_t layer = 0;       // what `failed` is set to
  const float* base = nullptr;  // [samples][steps][size]: what earlier terms gave; null: zeros
  ScanTerm terms[kScanTerms];
  std::int32_t term_count = 0;
  const float* bias = nullptr;          // [size]; not of Sum
  math::PerState<float*> state;         // [samples][size], where the neurons have it
  const std::int64_t* clock = nullptr;  // [samples]: steps done before this chunk; of neurons that draw
  const std::uint32_t* sample_index = nullptr;  // [samples]: places in the request; of neurons that draw
  const std::uint64_t* seed = nullptr;          // of neurons that draw
  std::uint32_t draws_layer = 0;                // the layer as their draws see it

  float* values = nullptr;  // [samples][steps][size], of what emits no spikes
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

// A term as one thread sees it.
struct TermElement {
  const float* high = nullptr;
  const float* low = nullptr;
  std::int64_t step = 0;  // from one step to the next
  float scale = 0, offset = 0, filter = 0;
};

SPIKESERVE_HOST_DEVICE TermElement LoadTerm(const ScanTerm& term, std::int64_t steps, std::int64_t size,
                                            std::int64_t sample, std::int64_t j) {
  const std::int64_t row = term.held ? sample : sample * steps;
  const std::int64_t at = (row * term.pixels + j / term.channels) * term.stride + j % term.channels;
  TermElement element;
  element.high = term.high + at;
  element.low = term.low == nullptr ? nullptr : term.low + at;
  element.step = term.held ? 0 : term.pixels * term.stride;
  element.scale = term.scale == nullptr ? 1.0F : term.scale[j];
  element.offset = term.offset == nullptr ? 0.0F : term.offset[j];
  element.filter = term.filtered ? term.filter[sample * size + j] : 0.0F;
  return element;
}

// What the term gives at `step` before its filter.
SPIKESERVE_HOST_DEVICE float TermCurrent(const ScanTerm& term, std::int64_t step,
                                         const TermElement& element) {
  const std::int64_t at = step * element.step;
  const float sum =
      element.low == nullptr ? element.high[at] : CombineDigits(element.high[at], element.low[at]);
  const float current = sum * element.scale;
  return term.offset == nullptr ? current : current + element.offset;
}

// Adds what the term gives at `step` to `total`.
SPIKESERVE_HOST_DEVICE void AddTerm(const ScanTerm& term, std::int64_t step, TermElement& element,
                                    float& total) {
  const float current = TermCurrent(term, step, element);
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

// The largest count that this program takes.
SPIKESERVE_HOST_DEVICE float CountLimit(const Scan& scan) {
  return scan.exceeded != nullptr ? static_cast<float>(scan.count_limit) : kMaxSpikesPerStep - 1;
}

// The count of a step, 0 where it is out of range.
template <typename Emits>
SPIKESERVE_HOST_DEVICE std::int32_t Tally(const Scan& scan, float spikes, CountTally& tally) {
  const bool in_range = fabsf(spikes) <= CountLimit(scan);  // false for what is not a number
  tally.in_range = tally.in_range && in_range;
  const auto count = static_cast<std::int32_t>(in_range ? spikes : 0.0F);
  const std::int32_t magnitude = count < 0 ? -count : count;
  tally.spikes += Emits::kSigned ? magnitude : count;
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

// What the terms of a constant scan add up to at every step.
SPIKESERVE_HOST_DEVICE float ConstantTotal(const Scan& scan, std::int64_t sample, std::int64_t j) {
  float total = 0.0F;
  for (std::int32_t t = 0; t < scan.term_count; ++t) {
    total = total + TermCurrent(scan.terms[t], 0, LoadTerm(scan.terms[t], scan.steps, scan.size, sample, j));
  }
  return total;
}

// One neuron of one sample while its thread takes it through the chunk.
template <int kTerms>
struct ScanElement {
  std::int64_t done = 0;  // steps before the chunk
  TermElement terms[kTerms > 0 ? kTerms : 1];
  float bias = 0;
  float constant = 0;  // of a constant scan: the summed current, without bias
  math::NeuronState state;
  math::DrawSite site;
  FoldElement fold;
  CountTally tally;
};

template <typename Emits, int kTerms>
SPIKESERVE_HOST_DEVICE ScanElement<kTerms> LoadElement(const Scan& scan, std::int64_t sample,
                                                       std::int64_t j) {
  const std::int64_t at = sample * scan.size + j;
  ScanElement<kTerms> element;
  SPIKESERVE_UNROLL
  for (int t = 0; t < kTerms; ++t) {
    if (t < scan.term_count) {
      element.terms[t] = LoadTerm(scan.terms[t], scan.steps, scan.size, sample, j);
    }
  }
  constexpr math::PerState<bool> kKept = Emits::kStates;
  math::ForEachState([at](bool kept, float& value,
                          const float* array) { value = kept && array != nullptr ? array[at] : 0.0F; },
                     kKept, element.state, scan.state);
  element.bias = scan.bias == nullptr ? 0.0F : scan.bias[j];
  element.constant = kTerms == kConstantTerms ? ConstantTotal(scan, sample, j) : 0.0F;
  element.fold = scan.folded ? LoadFold(scan.fold, at) : FoldElement{};
  element.done = scan.folded ? scan.fold.clock[sample] : 0;
  if constexpr (math::kDraws<Emits>) {
    element.done = scan.clock[sample];
    element.site.stream = {*scan.seed, scan.sample_index[sample], scan.draws_layer};
    element.site.neuron = static_cast<std::uint32_t>(j);
  }
  return element;
}

// The spikes of the whole chunk at once, where nobody asks for single steps and no sum rounds. False, and
// nothing done, elsewhere.
template <typename Emits, int kTerms>
SPIKESERVE_HOST_DEVICE bool CountAtOnce(const Scan& scan, ScanElement<kTerms>& element) {
  const bool filters = scan.folded && (scan.fold.filters.synapse || scan.fold.filters.probe_synapse);
  if (filters || scan.counts != nullptr || scan.voltages != nullptr) {
    return false;
  }
  const math::ConstantCharge constant =
      math::MakeConstantCharge(element.state.voltage, Emits::Charge(element.constant + element.bias));
  if (!constant.exact || static_cast<float>(MostPerStep(constant, scan.steps)) > CountLimit(scan)) {
    return false;
  }
  const std::int64_t spikes = SpikesAfter(constant, scan.steps);
  element.tally.spikes = spikes;
  element.tally.largest = static_cast<std::int32_t>(MostPerStep(constant, scan.steps));
  element.state.voltage = VoltageAfter(constant, scan.steps);
  const std::int64_t skip = scan.fold.skip - element.done;  // steps of this chunk before the mean starts
  if (scan.folded && skip > 0 && skip <= scan.steps) {
    element.fold.start = element.fold.total + static_cast<double>(SpikesAfter(constant, skip));
  }
  element.fold.total += static_cast<double>(spikes);
  element.fold.last = static_cast<float>(spikes - SpikesAfter(constant, scan.steps - 1));
  return true;
}

// The spikes of one step go to whoever wants them.
template <typename Emits, int kTerms>
SPIKESERVE_HOST_DEVICE void Emit(const Scan& scan, std::int64_t row, std::int64_t j, std::int64_t step,
                                 float spikes, ScanElement<kTerms>& element) {
  const std::int32_t count = Tally<Emits>(scan, spikes, element.tally);
  if (scan.counts != nullptr) {
    StoreCount(scan.counts, scan.count_type, row * scan.count_stride + j, count);
  }
  if (scan.voltages != nullptr) {
    scan.voltages[row * scan.size + j] = element.state.voltage;
  }
  if (scan.folded) {
    StepFold(scan.fold, static_cast<float>(count), element.done + step + 1, element.fold);
  }
}

template <typename Emits, int kTerms>
SPIKESERVE_HOST_DEVICE void RunStep(const Scan& scan, const Emits& emits, std::int64_t sample, std::int64_t j,
                                    std::int64_t step, ScanElement<kTerms>& element) {
  const std::int64_t row = sample * scan.steps + step;
  float total = element.constant;
  if constexpr (kTerms != kConstantTerms) {
    total = scan.base == nullptr ? 0.0F : scan.base[row * scan.size + j];
    SPIKESERVE_UNROLL
    for (int t = 0; t < kTerms; ++t) {
      if (t < scan.term_count) {
        AddTerm(scan.terms[t], step, element.terms[t], total);
      }
    }
  }
  if constexpr (std::is_same_v<Emits, Sum>) {
    scan.values[row * scan.size + j] = total;
  } else if constexpr (std::is_same_v<Emits, Linear>) {
    scan.values[row * scan.size + j] = total + element.bias * emits.bias_factor;
  } else {
    element.site.step = static_cast<std::uint32_t>(element.done + step);
    const float emitted = math::Step(emits, total + element.bias, element.state, element.site);
    if constexpr (math::EmitsSpikes<Emits>) {
      Emit<Emits>(scan, row, j, step, emitted, element);
    } else {
      scan.values[row * scan.size + j] = emitted;
    }
  }
}

// Neuron j of a sample over the chunk. Returns its spikes. `emits` is what scan.emitter holds.
template <int kTerms, typename Emits>
SPIKESERVE_HOST_DEVICE std::int64_t RunNeuron(const Scan& scan, const Emits& emits, std::int64_t sample,
                                              std::int64_t j) {
  const std::int64_t at = sample * scan.size + j;
  ScanElement<kTerms> element = LoadElement<Emits, kTerms>(scan, sample, j);
  CheckSources(scan, sample);
  bool counted = false;
  if constexpr (kTerms == kConstantTerms) {
    counted = CountAtOnce<Emits>(scan, element);
  }
  for (std::int64_t step = 0; step < scan.steps && !counted; ++step) {
    RunStep(scan, emits, sample, j, step, element);
  }
  SPIKESERVE_UNROLL
  for (int t = 0; t < kTerms; ++t) {
    if (t < scan.term_count && scan.terms[t].filtered) {
      scan.terms[t].filter[at] = element.terms[t].filter;
    }
  }
  constexpr math::PerState<bool> kKept = Emits::kStates;
  math::ForEachState(
      [at](bool kept, float value, float* array) {
        if (kept && array != nullptr) {
          array[at] = value;
        }
      },
      kKept, element.state, scan.state);
  if constexpr (math::EmitsSpikes<Emits>) {
    Report(scan, sample, element.tally);
    if (scan.folded) {
      StoreFold(scan.fold, at, element.fold);
    }
    if (scan.neuron_spikes != nullptr) {
      scan.neuron_spikes[at] += element.tally.spikes;
    }
  }
  return element.tally.spikes;
}

// Whether no step's current differs from another's: every term is held and passes no filter.
constexpr bool IsConstant(const Scan& scan) {
  bool constant = scan.base == nullptr;
  for (std::int32_t t = 0; t < scan.term_count; ++t) {
    constant = constant && scan.terms[t].held && !scan.terms[t].filtered;
  }
  return constant;
}

// Calls run.operator()<terms>(emitter) with what the emitter holds and at least the scan's terms;
// kConstantTerms for integrators whose current is constant.
template <typename Run>
auto WithEmitter(const Scan& scan, Run run) {
  return std::visit(
      [&]<typename Emits>(const Emits& emits) {
        if constexpr (math::AddsCharges<Emits>) {
          if (IsConstant(scan)) {
            return run.template operator()<kConstantTerms>(emits);
          }
        }
        return scan.term_count <= 1 ? run.template operator()<1>(emits)
                                    : run.template operator()<kScanTerms>(emits);
      },
      scan.emitter);
}

}  // namespace spikeserve::cuda
