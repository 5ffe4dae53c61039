#pragma once

#include <cstdint>

#include "kernels/cuda/atomics.h"
#include "kernels/cuda/byte_product.h"
#include "kernels/cuda/cells.h"
#include "kernels/cuda/direct_product.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/scan.h"
#include "kernels/math/annotations.h"
#include "kernels/math/memory.h"

// Neurons with memory (kernels/math/memory.h) in closed form: what they have sent by a step, of all that they
// have received by then, whatever the number of steps. One thread per neuron of a sample, none of time.
namespace spikeserve::cuda {

// Integers that products with weights of neurons with memory read, [rows][stride].
enum class WholeType { kByte, kInt32, kInt64 };
struct Wholes {
  const void* data = nullptr;
  WholeType type = WholeType::kInt32;
  std::int64_t stride = 0;
};

SPIKESERVE_HOST_DEVICE std::int64_t LoadWhole(const Wholes& wholes, std::int64_t at) {
  switch (wholes.type) {
    case WholeType::kByte: return static_cast<const std::uint8_t*>(wholes.data)[at];
    case WholeType::kInt32: return static_cast<const std::int32_t*>(wholes.data)[at];
    default: return static_cast<const std::int64_t*>(wholes.data)[at];
  }
}

// How many digits of counts the products of a program have room for, and what is done where a count has more:
// `needed` is raised to that, and what follows in the program is of no use for the sample.
struct PlaneRoom {
  int planes = 1;
  std::int32_t* needed = nullptr;
  std::int32_t* untold = nullptr;  // [row]: not 0: its counts had more digits than there was room for
};

SPIKESERVE_HOST_DEVICE void WriteDigits(const PlaneRoom& room, std::int64_t row, std::int64_t count,
                                        std::int8_t* digits, std::int64_t plane) {
  for (int p = 0; p < room.planes; ++p) {
    digits[p * plane] = CountDigit(count, p);
  }
  const int planes = PlanesOf(count);
  if (planes > room.planes) {
    AtomicMax(room.needed, planes);
    room.untold[row] = 1;  // every writer writes the same
  }
}

// The cells of a product, each the sum of some source elements: as digits, or as they are.
struct TakeCells {
  std::int64_t rows = 0, size = 0;  // cells of a row
  Wholes source;
  const std::int64_t* start = nullptr;  // null: cells are the source elements
  const std::int32_t* index = nullptr;
  std::int8_t* digits = nullptr;  // [planes][rows][stride], zeros from `size` on
  std::int64_t stride = 0;
  PlaneRoom room;
  std::int64_t* cells = nullptr;  // in place of digits: [rows][size]
};

constexpr std::int64_t Threads(const TakeCells& take) {
  return take.rows * (take.digits != nullptr ? take.stride : take.size);
}

SPIKESERVE_HOST_DEVICE std::int64_t CellOf(const TakeCells& take, std::int64_t row, std::int64_t c) {
  const std::int64_t first = row * take.source.stride;
  if (take.start == nullptr) {
    return LoadWhole(take.source, first + c);
  }
  std::int64_t sum = 0;
  for (std::int64_t e = take.start[c]; e < take.start[c + 1]; ++e) {
    sum += LoadWhole(take.source, first + take.index[e]);
  }
  return sum;
}

SPIKESERVE_HOST_DEVICE void RunThread(const TakeCells& take, std::int64_t thread) {
  const std::int64_t width = take.digits != nullptr ? take.stride : take.size;
  const std::int64_t row = thread / width;
  const std::int64_t c = thread % width;
  const std::int64_t cell = c < take.size ? CellOf(take, row, c) : 0;
  if (take.digits == nullptr) {
    take.cells[thread] = cell;
  } else {
    WriteDigits(take.room, row, cell, take.digits + thread, take.rows * take.stride);
  }
}

// sums[row][j] = sum over cells of weight * cell: for weights that are sparse or grouped, and for sums of
// digits that would pass an int32. Wraps where `about` of the neurons says so.
struct WholeProduct {
  DirectProduct weights;  // its shape, sizes and integers alone
  std::int64_t rows = 0;
  Wholes cells;
  std::int64_t* sums = nullptr;  // [rows][out]
  double* about = nullptr;       // [rows][out]: the same, rounded, without a bound
};

constexpr std::int64_t Threads(const WholeProduct& product) { return product.rows * product.weights.out; }

SPIKESERVE_HOST_DEVICE std::int64_t WrappedProduct(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
SPIKESERVE_HOST_DEVICE std::int64_t WrappedSum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

// A sum of integers: modulo 2^64, and rounded, which says whether the other is right.
struct Charge {
  std::int64_t whole = 0;
  double about = 0;

  SPIKESERVE_HOST_DEVICE void Add(std::int64_t value, std::int64_t times) {
    whole = WrappedSum(whole, WrappedProduct(value, times));
    about += static_cast<double>(value) * static_cast<double>(times);
  }
};

SPIKESERVE_HOST_DEVICE void RunThread(const WholeProduct& product, std::int64_t thread) {
  const std::int64_t row = thread / product.weights.out;
  const std::int64_t first = row * product.cells.stride;
  Charge sum;
  ForEachWeight(product.weights, thread % product.weights.out, [&](std::int64_t weight, std::int64_t cell) {
    sum.Add(LoadWhole(product.cells, first + cell), product.weights.integers[weight]);
  });
  product.sums[thread] = sum.whole;
  product.about[thread] = sum.about;
}

// What one term brings to the neurons of a layer.
struct MemoryTerm {
  // Sums of digits: digit d of weights and p of counts meet, for neuron j of row r, at
  // (((p * rows + r) * pixels + j / channels) * digits + d) * width + j % channels.
  const std::int32_t* sums = nullptr;
  std::int64_t rows = 0, pixels = 1, channels = 1, width = 0;
  int planes = 1, digits = 1;
  // In their place: integers, [row][size].
  const std::int64_t* wholes = nullptr;
  const double* about = nullptr;  // [row][size], or null where they are what they are
  // Wholes come in every step but for the last `delay` ones; else they are of all steps.
  bool per_step = false;
  std::int64_t delay = 0;
  const std::int64_t* offset = nullptr;  // [size]: comes in every step; or null
};
constexpr int kMemoryTerms = 8;

SPIKESERVE_HOST_DEVICE void AddDigitSums(const MemoryTerm& term, std::int64_t row, std::int64_t j,
                                         Charge& charge) {
  double plane_unit = 1;
  for (int p = 0; p < term.planes; ++p) {
    const std::int64_t line = (p * term.rows + row) * term.pixels + j / term.channels;
    const std::int32_t* const sums = term.sums + line * term.digits * term.width + j % term.channels;
    double unit = plane_unit;
    for (int d = 0; d < term.digits; ++d) {
      const std::int64_t sum = sums[d * term.width];
      const int shift = kCountDigitBits * p + kWeightDigitBits * d;
      // Beyond 64 bits nothing is left of it, and `about` says so.
      charge.whole = WrappedSum(charge.whole, shift < 63 ? WrappedProduct(sum, std::int64_t{1} << shift) : 0);
      charge.about += static_cast<double>(sum) * unit;
      unit *= 1 << kWeightDigitBits;
    }
    plane_unit *= 1 << kCountDigitBits;
  }
}

// What neuron j has received through the term after `steps` steps.
SPIKESERVE_HOST_DEVICE void AddTerm(const MemoryTerm& term, std::int64_t row, std::int64_t size,
                                    std::int64_t j, std::int64_t steps, Charge& charge) {
  if (term.sums != nullptr) {
    AddDigitSums(term, row, j, charge);
  } else if (term.about != nullptr) {
    charge.whole = WrappedSum(charge.whole, term.wholes[row * size + j]);
    charge.about += term.about[row * size + j];
  } else {
    const std::int64_t late = steps - term.delay;
    charge.Add(term.wholes[row * size + j], term.per_step ? (late > 0 ? late : 0) : 1);
  }
  if (term.offset != nullptr) {
    charge.Add(term.offset[j], steps);
  }
}

// wholes[row][j]: what a held input brings in one step.
struct SumCharges {
  std::int64_t rows = 0, size = 0;
  MemoryTerm term;
  std::int64_t* wholes = nullptr;
};

constexpr std::int64_t Threads(const SumCharges& sum) { return sum.rows * sum.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const SumCharges& sum, std::int64_t thread) {
  Charge charge;
  AddTerm(sum.term, thread / sum.size, sum.size, thread % sum.size, 1, charge);
  sum.wholes[thread] = charge.whole;
}

// The same of real values, step by step: each is rounded to an integer, and all are added up. RN(x) is within
// 2^62, and a sum that passes 2^60 stays above it.
struct RoundCharges {
  std::int64_t rows = 0, steps = 0, size = 0;
  const float* sums = nullptr;     // [rows][steps][size]
  const float* scale = nullptr;    // [size]
  const double* unit = nullptr;    // [size]
  bool adds = false;               // to what is there
  std::int64_t* wholes = nullptr;  // [rows][size]
};

constexpr std::int64_t Threads(const RoundCharges& round) { return round.rows * round.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const RoundCharges& round, std::int64_t thread) {
  const std::int64_t row = thread / round.size;
  const std::int64_t j = thread % round.size;
  std::int64_t whole = round.adds ? round.wholes[thread] : 0;
  for (std::int64_t step = 0; step < round.steps; ++step) {
    const float current = round.sums[(row * round.steps + step) * round.size + j] * round.scale[j];
    if (!round.adds || (whole <= math::kMostReceived && whole >= -math::kMostReceived)) {
      whole += math::RoundWhole(static_cast<double>(current) * round.unit[j]);
    }
  }
  round.wholes[thread] = whole;
}

// totals[row][j] += what the source has emitted in all steps.
struct AddTotals {
  std::int64_t rows = 0, steps = 0, size = 0;
  Cells source;  // [rows][steps][stride], of counts or bytes
  std::int64_t* totals = nullptr;
};

constexpr std::int64_t Threads(const AddTotals& add) { return add.rows * add.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const AddTotals& add, std::int64_t thread) {
  const std::int64_t row = thread / add.size;
  std::int64_t total = add.totals[thread];
  for (std::int64_t step = 0; step < add.steps; ++step) {
    total += LoadCount(add.source, (row * add.steps + step) * add.source.stride + thread % add.size);
  }
  add.totals[thread] = total;
}

// What neurons with memory have sent by the step of the clock, or so long before it.
struct MemoryNeurons {
  std::int64_t samples = 0, size = 0;
  MemoryTerm terms[kMemoryTerms];
  std::int32_t term_count = 0;
  const std::int64_t* clock = nullptr;  // [samples]: steps done
  std::int64_t age = 0;                 // steps before that
  // [size], in units of 2^-shift spikes.
  const std::int64_t* bias = nullptr;  // of one step
  const std::int64_t* start = nullptr;
  const std::int64_t* ceiling = nullptr;  // of one step; null: none
  const std::uint8_t* shift = nullptr;
  std::int64_t slope = 0;          // as SentLeaky has it; 0: rectified
  std::int64_t most_steps = 0;     // after which biases leave their range; -1: starts have
  std::int32_t layer = 0;          // what `failed` is set to
  std::int32_t* failed = nullptr;  // [samples]

  std::int32_t* counts = nullptr;  // [samples][size]
  std::int8_t* digits = nullptr;   // [planes][samples][stride], zeros from `size` on; null: nobody reads them
  std::int64_t stride = 0;
  PlaneRoom room;
  std::int64_t* neuron_spikes = nullptr;  // [samples][size], set; or null
  std::int64_t* sample_spikes = nullptr;  // [samples], increased; or null
};

constexpr std::int64_t Threads(const MemoryNeurons& neurons) { return neurons.samples * neurons.stride; }

// What neuron j has sent after so many steps, of what it has received. False where numbers left their range.
SPIKESERVE_HOST_DEVICE bool SentBy(const MemoryNeurons& neurons, const Charge& received, std::int64_t steps,
                                   std::int64_t j, std::int64_t& sent) {
  constexpr double kToldApart = 2305843009213693952.0;  // 2^61, far below where `whole` wraps
  const bool right = received.about <= kToldApart && received.about >= -kToldApart;
  if (!right || received.whole > math::kMostReceived || received.whole < -math::kMostReceived ||
      steps > neurons.most_steps) {
    return false;
  }
  std::int64_t z = received.whole + steps * neurons.bias[j];
  if (neurons.ceiling != nullptr) {
    z = math::AtMost(z, neurons.ceiling[j], steps);
  }
  sent = neurons.slope == 0 ? math::SentRectified(z, neurons.start[j], neurons.shift[j])
                            : math::SentLeaky(z, neurons.start[j], neurons.shift[j], neurons.slope);
  return sent <= math::kMostSent && sent >= -math::kMostSent;
}

SPIKESERVE_HOST_DEVICE void WriteDigitsOf(const MemoryNeurons& neurons, std::int64_t sample, std::int64_t j,
                                          std::int64_t count) {
  if (neurons.digits != nullptr) {
    WriteDigits(neurons.room, sample, count, neurons.digits + sample * neurons.stride + j,
                neurons.samples * neurons.stride);
  }
}

// Returns the spikes of the neuron.
SPIKESERVE_HOST_DEVICE std::int64_t RunMemoryNeuron(const MemoryNeurons& neurons, std::int64_t sample,
                                                    std::int64_t j) {
  if (j >= neurons.size) {
    WriteDigitsOf(neurons, sample, j, 0);
    return 0;
  }
  const std::int64_t steps = neurons.clock[sample] - neurons.age;
  std::int64_t sent = 0;
  if (steps > 0) {
    Charge received;
    for (std::int32_t t = 0; t < neurons.term_count; ++t) {
      AddTerm(neurons.terms[t], sample, neurons.size, j, steps, received);
    }
    if (!SentBy(neurons, received, steps, j, sent)) {
      sent = 0;
      if (neurons.room.untold[sample] == 0) {
        SetOnce(neurons.failed + sample, kNotFailed, neurons.layer + 1);
      }
    }
  }
  const std::int64_t at = sample * neurons.size + j;
  neurons.counts[at] = static_cast<std::int32_t>(sent);
  WriteDigitsOf(neurons, sample, j, sent);
  const std::int64_t magnitude = sent < 0 ? -sent : sent;
  if (neurons.neuron_spikes != nullptr) {
    neurons.neuron_spikes[at] = magnitude;
  }
  return magnitude;
}

// Of neurons in closed form without filters: a fold knows what they have sent at once.
struct SetFold {
  std::int64_t samples = 0, size = 0;
  const std::int32_t* counts = nullptr;  // [samples][size]
  const std::int32_t* before = nullptr;  // one step before; null where nobody reads the last step
  FoldState state;
};

constexpr std::int64_t Threads(const SetFold& set) { return set.samples * set.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const SetFold& set, std::int64_t thread) {
  const FoldState& state = set.state;
  const std::int32_t count = set.counts[thread];
  state.total[thread] = static_cast<double>(count);
  state.last[thread] = set.before == nullptr ? 0.0F : static_cast<float>(count - set.before[thread]);
  if (state.clock[thread / set.size] == state.skip) {
    state.start[thread] = static_cast<double>(count);
  }
}

}  // namespace spikeserve::cuda
