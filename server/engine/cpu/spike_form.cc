#include "server/engine/cpu/spike_form.h"

#include <algorithm>
#include <bit>
#include <span>

#include "kernels/cpu/spikes/byte_counts.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "kernels/cpu/spikes/usual_counts.h"
#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

using kernels::SpikeForm;
using Source = WindowSums::Source;

// Spikes per cell and step from which on some cells may fire steadily enough for changes to be fewer.
constexpr double kSteady = 0.06;

template <typename Count>
std::int64_t CountOverSteps(const VectorTerm& term, const Source& source, Count count) {
  std::int64_t sum = 0;
  for (std::int64_t step = 0; step < source.steps; ++step) {
    sum += count({source.cells + step * source.stride, Index(term.cells)});
  }
  return sum;
}

TermWork WorkOfCopies(const VectorTerm& term, const Source& source, TermWork work) {
  work.count_digits = 1;
  work.entries = CountOverSteps(term, source, kernels::SumBytes);
  return work;
}

// The usual counts take one more step.
TermWork WorkOfChanges(const VectorTerm& term, const Source& source, TermWork work,
                       std::vector<std::uint8_t>& usual) {
  kernels::FindUsualCounts(source.cells, source.stride, source.steps, term.cells,
                           static_cast<std::int32_t>(source.largest), usual);
  work.count_digits = 1;
  work.steps += 1;
  work.entries = kernels::SumBytes(std::span(usual).first(Index(term.cells))) +
                 kernels::SumChanges(source.cells, source.stride, source.steps, term.cells, usual.data());
  return work;
}

// Whether it is worth a look.
bool MayBeSteady(const TermWork& work) {
  return work.steps > 1 &&
         static_cast<double>(work.entries) >= kSteady * static_cast<double>(work.steps * work.cells);
}

}  // namespace

TermWork WorkOf(const VectorTerm& term, const Source& source) {
  return {.steps = source.steps,
          .cells = term.cells,
          .units = term.cells / term.unit,
          .windows = term.pixels,
          .ranges = term.ranges(),
          .rows = term.fan_in(),
          .tiles = term.events.tiles(),
          .slices = term.events.slices(),
          .weight_digits = term.digits.digits(),
          .count_digits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(source.largest))),
          .entries = CountOverSteps(term, source, kernels::CountOnes)};
}

std::optional<SpikeForm> ChooseForm(const VectorTerm& term, const Source& source, CpuPath path,
                                    std::vector<std::uint8_t>& usual) {
  const bool events_only = path == CpuPath::kEvents || path == CpuPath::kChanges;
  bool digits = !term.digits.empty() && !events_only && WindowSums::DigitsFit(term, source.largest);
  if (digits && path == CpuPath::kDigits) {
    return std::nullopt;
  }
  digits = digits && source.largest <= kernels::MostDigitCount();
  const bool copies = source.largest > 0 && WindowSums::CopiesFit(term, source.largest);
  const bool changes = copies && term.events.negatives();
  if (changes && path == CpuPath::kChanges) {
    WorkOfChanges(term, source, {}, usual);
    return SpikeForm::kChanges;
  }
  if (source.largest == 0 || (!digits && !changes && (!copies || source.largest == 1))) {
    return SpikeForm::kDigits;
  }
  const TermWork work = WorkOf(term, source);
  SpikeForm form = SpikeForm::kDigits;
  double cycles = EventCycles(work);
  const auto consider = [&](SpikeForm other, double its_cycles) {
    form = its_cycles < cycles ? other : form;
    cycles = std::min(cycles, its_cycles);
  };
  if (copies && source.largest > 1) {
    consider(SpikeForm::kCopies, EventCycles(WorkOfCopies(term, source, work)));
  }
  if (changes && MayBeSteady(work)) {
    consider(SpikeForm::kChanges, EventCycles(WorkOfChanges(term, source, work, usual)));
  }
  return digits && DigitCycles(work) < cycles ? std::nullopt : std::optional(form);
}

}  // namespace spikeserve::engine
