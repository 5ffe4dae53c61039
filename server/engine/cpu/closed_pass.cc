#include "server/engine/cpu/closed_pass.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/memory.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "server/engine/cpu/closed_planes.h"
#include "server/engine/cpu/currents.h"
#include "server/engine/cpu/layout/sum_bounds.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

// One layer at one age.
class ClosedLayerPass {
 public:
  ClosedLayerPass(const CpuRun& run, std::size_t layer, std::size_t age, std::span<ClosedSample> samples,
                  CpuScratch& scratch)
      : run_(run),
        layer_(layer),
        plan_(run.plan->layers[layer]),
        closed_(run.passes[layer]),
        memory_(run.constants[layer].memory),
        age_(age),
        size_(Index(plan_.size)),
        samples_(samples),
        scratch_(scratch),
        buffers_(scratch.closed),
        own_(scratch.closed.sent[layer][age]),
        bounds_(samples.size(), 0.0) {}

  void Run() {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      Largest(s) = 0;
      own_.narrow[s] = false;
    }
    if (Steps(0) <= 0) {  // of all of them: those at different steps have no ages
      std::fill_n(own_.counts.begin(), size_ * samples_.size(), 0);
      return;
    }
    Begin();
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      AddTerm(t);
    }
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      Send(s);
    }
  }

 private:
  std::span<std::int64_t> Z(std::size_t sample) { return buffers_.z.subspan(sample * size_, size_); }
  std::span<std::int32_t> Sent(std::size_t sample) { return own_.counts.subspan(sample * size_, size_); }
  std::int64_t& Largest(std::size_t sample) { return own_.largest[sample]; }
  LayerState& State(std::size_t sample) { return (*samples_[sample].layers)[layer_]; }

  // At that age.
  std::int64_t Steps(std::size_t sample) const { return samples_[sample].steps - closed_.ages[age_]; }

  void Fail(std::size_t sample) {
    if (samples_[sample].failed < 0) {
      samples_[sample].failed = static_cast<std::int64_t>(layer_);
    }
  }
  bool Works(std::size_t sample) const { return samples_[sample].failed < 0; }

  // What was received step by step is known of the last one alone, which is all that is asked about then.
  void Begin() {
    const bool stepped = run_.IsClosed(layer_) && run_.ReceivesSteps(layer_);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (stepped || samples_[s].begin > 0) {
        std::copy(State(s).received.begin(), State(s).received.end(), Z(s).begin());
        bounds_[s] = static_cast<double>(kLargestMemory);
      } else {
        std::fill(Z(s).begin(), Z(s).end(), 0);
      }
    }
  }

  // Whether sums up to this bound may be added.
  bool Allow(std::size_t sample, double bound) {
    bounds_[sample] += bound;
    if (!(bounds_[sample] <= kWideSums)) {
      Fail(sample);
    }
    return Works(sample);
  }

  void AddTerm(std::size_t t) {
    const Term& term = plan_.terms[t];
    const std::int64_t delay = PureDelay(term.synapse, term.delay_steps).value_or(0);
    switch (closed_.sources[t]) {
      case ChargeSource::kSteps: return;
      case ChargeSource::kHeld: AddHeld(t, delay); return;
      case ChargeSource::kTotals: AddTotals(t); return;
      case ChargeSource::kClosed: AddClosed(t, delay); return;
    }
  }

  void AddHeld(std::size_t t, std::int64_t delay) {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const std::int64_t steps = std::max<std::int64_t>(Steps(s) - samples_[s].begin - delay, 0);
      const TermState& state = State(s).terms[t];
      if (Allow(s, static_cast<double>(steps) * static_cast<double>(state.largest_whole))) {
        kernels::AddTimes(state.whole, steps, Z(s));
      }
    }
  }

  void AddTotals(std::size_t t) {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const std::span<const std::int64_t> totals = State(s).terms[t].totals;
      std::int64_t largest = 0;
      for (const std::int64_t total : totals) {
        largest = std::max(largest, std::abs(total));
      }
      AddProduct(t, s, totals, largest);
      const std::vector<std::vector<std::int64_t>>& offsets = memory_.offsets;  // of bytes
      if (t < offsets.size() && !offsets[t].empty() &&
          Allow(s, static_cast<double>(Steps(s)) * static_cast<double>(memory_.largest_offset))) {
        kernels::AddTimes(offsets[t], Steps(s), Z(s));
      }
    }
  }

  void AddClosed(std::size_t t, std::int64_t delay) {
    const std::size_t source = Index(run_.population(plan_.terms[t].population).layer);
    ClosedScratch::Sent& sent = buffers_.sent[source][run_.passes[source].Place(closed_.ages[age_] + delay)];
    const bool digits = run_.vector_weights != nullptr && run_.path != CpuPath::kPlain &&
                        !(*run_.vector_weights)[layer_].terms[t].empty();
    if (digits) {
      AddDigits(t, sent, run_.constants[source].memory.may_be_negative);
      return;
    }
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      AddProduct(t, s, sent.Counts(s), sent.largest[s]);
    }
  }

  // By the plain loops: at once, or where cells might not fit an int32 some bits after the other.
  template <typename T>
  void AddProduct(std::size_t t, std::size_t s, std::span<const T> counts, std::int64_t largest) {
    constexpr int kPartBits = 15;
    constexpr std::int64_t kMostOfPart = (1 << kPartBits) - 1;
    const kernels::Product& product = plan_.terms[t].product;
    if (!Allow(s, Bound(product, largest))) {
      return;
    }
    if constexpr (std::is_same_v<T, std::int32_t>) {
      if (largest * product.gather.most <= INT32_MAX) {
        AddPart(t, s, counts, largest, 0);
        return;
      }
    }
    const std::span<std::int32_t> part = scratch_.bytes.first(counts.size());
    for (int shift = 0; largest >> shift != 0 && Works(s); shift += kPartBits) {
      std::transform(counts.begin(), counts.end(), part.begin(), [shift](T count) {
        const std::int64_t magnitude = std::abs(static_cast<std::int64_t>(count));
        const auto bits = static_cast<std::int32_t>((magnitude >> shift) & kMostOfPart);
        return count < 0 ? -bits : bits;
      });
      AddPart(t, s, part, kMostOfPart, shift);
    }
  }

  // Adds the product of counts that stand for 2^shift each.
  void AddPart(std::size_t t, std::size_t s, std::span<const std::int32_t> counts, std::int64_t largest,
               int shift) {
    const std::span<std::int64_t> sums = scratch_.charges.first(size_);
    if (!IntegerSums(plan_.terms[t].product, counts, largest, scratch_.currents, sums)) {
      Fail(s);
      return;
    }
    kernels::AddTimes(sums, std::int64_t{1} << shift, Z(s));
  }

  static double Bound(const kernels::Product& product, std::int64_t largest) {
    return static_cast<double>(largest) * static_cast<double>(product.gather.most) * product.max_row_sum;
  }

  // All samples together, one digit of their counts after the other.
  void AddDigits(std::size_t t, ClosedScratch::Sent& sent, bool negative) {
    const kernels::Product& product = plan_.terms[t].product;
    const VectorTerm& packed = (*run_.vector_weights)[layer_].terms[t];
    CountPlanes planes(run_, plan_.terms[t], packed, &sent, samples_, buffers_, negative);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (!planes.Fits(s)) {  // laid out as zeros
        AddProduct(t, s, sent.Counts(s), sent.largest[s]);
      } else if (Allow(s, Bound(product, sent.largest[s])) && planes.lift() != 0) {
        for (std::size_t j = 0; j < size_; ++j) {
          Z(s)[j] -= planes.lift() * packed.row_sums[j % packed.row_sums.size()];
        }
      }
    }
    for (int digit = 0; digit < planes.digits(); ++digit) {
      planes.LayOut(digit, 0);
      for (std::int64_t slice = 0; slice * kernels::kLaneUnit < packed.channels; ++slice) {
        if (packed.kind == kernels::ProductKind::kDense) {
          SumDense(packed, planes, slice, digit);
        } else {
          SumConv(packed, planes, slice, digit);
        }
      }
    }
  }

  void SumDense(const VectorTerm& packed, const CountPlanes& planes, std::int64_t slice, int digit) {
    kernels::DigitJob job;
    job.steps = static_cast<std::int64_t>(samples_.size());
    job.cells = planes.At(0, 0);
    job.cell_stride = planes.stride();
    job.sums = buffers_.low.data();
    job.high = buffers_.high.data();
    job.stride = kernels::kLaneUnit;
    job.largest = planes.LargestDigit(digit);
    kernels::SumDigits(packed.digits, slice, job);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      AddSlice(packed, slice, static_cast<std::int64_t>(s), Z(s), digit);
    }
  }

  void SumConv(const VectorTerm& packed, const CountPlanes& planes, std::int64_t slice, int digit) {
    const kernels::ConvGeometry& g = packed.conv;
    kernels::DigitJob job;
    job.steps = g.out_width;
    job.cell_stride = g.stride_x * g.in_channels;
    job.segment_stride = g.dilation_y * packed.plane_row;
    job.stride = kernels::kLaneUnit;
    job.largest = planes.LargestDigit(digit);
    job.sums = buffers_.low.data();
    job.high = buffers_.high.data();
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      for (std::int64_t y = 0; y < g.out_height; ++y) {
        job.cells = planes.At(0, s) + y * g.stride_y * packed.plane_row;
        kernels::SumDigits(packed.digits, slice, job);
        for (std::int64_t x = 0; x < g.out_width; ++x) {
          const std::int64_t pixel = y * g.out_width + x;
          AddSlice(packed, slice, x, Z(s).subspan(Index(pixel * packed.channels), Index(packed.channels)),
                   digit);
        }
      }
    }
  }

  // Adds row `row` of the sums to the slice's channels of `z`.
  void AddSlice(const VectorTerm& packed, std::int64_t slice, std::int64_t row, std::span<std::int64_t> z,
                int digit) {
    const std::int64_t first = slice * kernels::kLaneUnit;
    const std::size_t width = Index(std::min(kernels::kLaneUnit, packed.channels - first));
    const std::size_t at = Index(row * kernels::kLaneUnit);
    kernels::AddHalves(buffers_.low.subspan(at, width), buffers_.high.subspan(at, width), digit * DigitBits(),
                       z.subspan(Index(first), width));
  }

  void Send(std::size_t s) {
    const std::span<std::int32_t> sent = Sent(s);
    const std::int64_t steps = Steps(s);
    if (!memory_.Fits(steps) || !IsInRange(s)) {
      Fail(s);
    }
    if (!Works(s)) {
      std::fill(sent.begin(), sent.end(), 0);
      return;
    }
    kernels::AddTimes(memory_.bias, steps, Z(s));
    if (memory_.IsRectified()) {
      Largest(s) = kernels::SendRectified(Z(s), memory_.start, memory_.shift, sent);
    } else {
      SendEach(s, sent);
    }
    if (Largest(s) > kMostSent) {
      Fail(s);
      Largest(s) = 0;
      std::fill(sent.begin(), sent.end(), 0);
    }
  }

  // What has been received must not pass kLargestMemory; its bound mostly tells.
  bool IsInRange(std::size_t s) {
    return bounds_[s] <= static_cast<double>(kLargestMemory) ||
           std::all_of(Z(s).begin(), Z(s).end(),
                       [](std::int64_t z) { return std::abs(z) <= kLargestMemory; });
  }

  void SendEach(std::size_t s, std::span<std::int32_t> sent) {
    const std::span<std::int64_t> counts = scratch_.charges.first(size_);
    memory_.Send(Z(s), Steps(s), counts);
    for (std::size_t j = 0; j < size_; ++j) {
      Largest(s) = std::max(Largest(s), std::abs(counts[j]));
      sent[j] = static_cast<std::int32_t>(counts[j]);
    }
  }

  const CpuRun& run_;
  const std::size_t layer_;
  const Layer& plan_;
  const ClosedLayer& closed_;
  const MemoryConstants& memory_;
  const std::size_t age_;
  const std::size_t size_;
  const std::span<ClosedSample> samples_;
  CpuScratch& scratch_;
  ClosedScratch& buffers_;
  ClosedScratch::Sent& own_;
  std::vector<double> bounds_;  // [sample], of what its sources bring
};

}  // namespace

void RunClosedPass(const CpuRun& run, std::span<ClosedSample> samples, CpuScratch& scratch) {
  for (std::size_t l = 0; l < run.closed_layers.size(); ++l) {
    for (std::size_t age = 0; age < run.closed_layers[l].ages.size(); ++age) {
      if (!RunCounts(run, {l, age}, false, samples, scratch) &&
          !RunFusedLayer(run, {l, age}, samples, scratch)) {
        ClosedLayerPass(run, l, age, samples, scratch).Run();
      }
    }
  }
}

void RunStepPass(const CpuRun& run, std::size_t layer, bool sums, std::span<ClosedSample> samples,
                 CpuScratch& scratch) {
  if (RunCounts(run, {layer, 0}, sums, samples, scratch)) {
    return;
  }
  if (sums || !RunFusedLayer(run, {layer, 0}, samples, scratch)) {
    ClosedLayerPass(run, layer, 0, samples, scratch).Run();
  }
}

}  // namespace spikeserve::engine
