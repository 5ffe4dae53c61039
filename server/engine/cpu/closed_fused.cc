#include "server/engine/cpu/closed_fused.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <type_traits>

#include "kernels/cpu/send_sums.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "server/engine/cpu/closed_planes.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

using Sent = ClosedScratch::Sent;

class FusedLayer {
 public:
  FusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples, CpuScratch& scratch)
      : run_(run),
        site_(site),
        layer_(run.plan->layers[site.layer]),
        term_(layer_.terms[0]),
        packed_((*run.vector_weights)[site.layer].terms[0]),
        memory_(run.constants[site.layer].memory),
        pass_(run.passes[site.layer]),
        delay_(PureDelay(term_.synapse, term_.delay_steps).value_or(0)),
        held_(pass_.sources[0] == ChargeSource::kHeld),
        samples_(samples),
        buffers_(scratch.closed),
        own_(buffers_.sent[site.layer][site.age]),
        planes_(run, term_, packed_, Source(), samples, buffers_) {
    for (std::size_t s = 0; s < samples.size(); ++s) {
      last_ = std::max(last_, Steps(s));
      varies_ = varies_ || Steps(s) != Steps(0);
      begun_ = begun_ || samples[s].begin > 0;
    }
  }

  bool Run() {
    if (last_ <= 0 || planes_.digits() > kPlanesAtOnce || !CanRun() || !IsInRange()) {
      return false;
    }
    SetBase(last_);
    halves_ = FitsHalves();
    SplitBase();
    for (int p = 0; p < planes_.digits(); ++p) {
      planes_.LayOut(p, p);
    }
    if (held_ && planes_.digits() == 1 && packed_.kind == kernels::ProductKind::kDense) {
      ListUsed();
    }
    if (buffers_.wide[site_.layer] || !Send<std::uint8_t>()) {
      buffers_.wide[site_.layer] = true;
      Send<std::int32_t>();
    }
    DropFailed();
    return true;
  }

 private:
  bool Works(std::size_t sample) const { return samples_[sample].failed < 0; }
  void Fail(std::size_t sample) {
    if (Works(sample)) {
      samples_[sample].failed = static_cast<std::int64_t>(site_.layer);
    }
  }

  // Null where the input is held.
  Sent* Source() {
    if (held_) {
      return nullptr;
    }
    const std::size_t source = Index(run_.population(term_.population).layer);
    return &buffers_.sent[source][run_.passes[source].Place(pass_.ages[site_.age] + delay_)];
  }

  // Of the sample, at the age of the site.
  std::int64_t Steps(std::size_t sample) const { return samples_[sample].steps - pass_.ages[site_.age]; }
  // How often the sums of the products count after so many steps.
  std::int64_t Times(std::int64_t steps) const {
    return held_ ? std::max<std::int64_t>(steps - delay_, 0) : 1;
  }

  // What a count of every cell brings at most.
  double OfCount() const { return term_.product.max_row_sum * static_cast<double>(Times(last_)); }

  // Samples at different steps have different bases: those of channels are made as they are needed.
  bool CanRun() const { return !(held_ && begun_) && (!varies_ || run_.IsFusedAtAnyStep(site_.layer)); }

  // Whether nothing can have left its range: else the general pass looks closer.
  bool IsInRange() const {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const auto most = static_cast<double>(planes_.MostOf(s));
      if (most > INT32_MAX || !(OfCount() * most <= static_cast<double>(kLargestMemory))) {
        return false;
      }
    }
    return memory_.Fits(last_);
  }

  // What is added to all sums after so many steps, of every neuron or of every channel.
  void SetBase(std::int64_t steps) {
    const std::int64_t size = memory_.period;
    const std::vector<std::int64_t>& offset = memory_.offsets[0];
    for (std::size_t j = 0; j < Index(size); ++j) {
      buffers_.base[j] = steps * memory_.bias[j] + memory_.start[j];
    }
    for (std::size_t j = 0; j < std::min(Index(size), offset.size()); ++j) {
      buffers_.base[j] += Times(steps) * offset[j];
    }
    std::fill_n(buffers_.base.begin() + size, kernels::kLaneUnit, 0);
    base_stride_ = size == packed_.channels ? 0 : packed_.channels;
  }

  void SplitBase() {
    for (std::size_t j = 0; halves_ && j < Index(memory_.period + kernels::kLaneUnit); ++j) {
      buffers_.base_low[j] = static_cast<std::int32_t>(buffers_.base[j] & 0xffff);
      buffers_.base_high[j] = static_cast<std::int32_t>(buffers_.base[j] >> 16);
    }
  }

  bool FitsHalves() const {
    const auto size = static_cast<std::ptrdiff_t>(memory_.period);
    std::int64_t most = 0, largest_base = memory_.largest_start;  // of fewer steps it lies in between
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      most = std::max(most, planes_.MostOf(s));
    }
    for (std::ptrdiff_t j = 0; j < size; ++j) {
      largest_base = std::max(largest_base, std::abs(buffers_.base[Index(j)]));
    }
    const std::uint8_t least_shift = *std::min_element(memory_.shift.begin(), memory_.shift.begin() + size);
    return kernels::FitsHalves(planes_.digits(), Times(last_), OfCount() * static_cast<double>(most),
                               static_cast<double>(largest_base), least_shift);
  }

  // From sample to sample of what is sent.
  template <typename T>
  std::int64_t TargetStride() const {
    return std::is_same_v<T, std::uint8_t> ? own_.byte_stride : own_.size;
  }

  template <typename T>
  T* Target(std::size_t sample) {
    const std::int64_t at = static_cast<std::int64_t>(sample) * TargetStride<T>();
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      return own_.bytes.data() + at;
    } else {
      return own_.counts.data() + at;
    }
  }

  // False where a count does not fit the type.
  template <typename T>
  bool Send() {
    constexpr bool kBytes = std::is_same_v<T, std::uint8_t>;
    constexpr std::uint64_t kMost = kBytes ? UINT8_MAX : static_cast<std::uint64_t>(kMostSent);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      own_.largest[s] = 0;
      own_.narrow[s] = kBytes;
    }
    std::int64_t slices = 1;
    for (std::int64_t first = 0; first < packed_.channels; first += slices * kernels::kLaneUnit) {
      slices = SlicesAt(first);
      const bool fits = packed_.kind == kernels::ProductKind::kDense ? SendDense<T>(first, kMost)
                                                                     : SendConv<T>(first, slices, kMost);
      if (!fits && kBytes) {
        return false;
      }
    }
    return true;
  }

  // How many slices of a convolution are summed at once.
  std::int64_t SlicesAt(std::int64_t first) const {
    if (packed_.kind == kernels::ProductKind::kDense) {
      return 1;
    }
    const std::int64_t left = (packed_.channels - first + kernels::kLaneUnit - 1) / kernels::kLaneUnit;
    return std::min(left, kernels::DigitSlices(packed_.digits, packed_.conv.out_width));
  }

  // Of the slice that begins with channel `first`, `slot` slices behind the first one that was summed.
  kernels::SendJob JobOf(std::int64_t first, std::int64_t slot = 0) {
    kernels::SendJob job;
    job.width = std::min(kernels::kLaneUnit, packed_.channels - first);
    job.planes = planes_.digits();
    job.bits = DigitBits();
    for (int p = 0; p < planes_.digits(); ++p) {
      job.low[p] = Low(p) + slot * kernels::kLaneUnit;
      job.high[p] = High(p) + slot * kernels::kLaneUnit;
    }
    job.times = Times(last_);
    job.base = buffers_.base.data() + first;
    job.base_stride = base_stride_;
    if (halves_) {
      job.halves = {buffers_.base_low.data() + first, buffers_.base_high.data() + first};
    }
    auto& shift = shifts_[Index(slot)];
    shift.fill(kernels::kShiftOfNone);
    std::copy_n(memory_.shift.begin() + first, job.width, shift.begin());
    job.shift = shift.data();
    return job;
  }

  std::int32_t* Low(int plane) { return buffers_.low.data() + Index(plane) * buffers_.low.size() / 2; }
  std::int32_t* High(int plane) { return buffers_.high.data() + Index(plane) * buffers_.high.size() / 2; }

  void Sum(int plane, const std::uint8_t* cells, std::int64_t first, kernels::DigitJob job) {
    job.cells = cells;
    job.sums = Low(plane);
    job.high = High(plane);
    job.stride = job.slices * kernels::kLaneUnit;
    job.largest = planes_.LargestDigit(plane);
    kernels::SumDigits(packed_.digits, first / kernels::kLaneUnit, job);
  }

  // Of images much is 0: a few samples at a time, what none of them uses is left out.
  void ListUsed() {
    buffers_.used.clear();
    buffers_.used_ends.clear();
    const auto samples = static_cast<std::int64_t>(samples_.size());
    for (std::int64_t s = 0; s < samples; s += kernels::kListedSteps) {
      kernels::DigitJob job;
      job.steps = std::min(samples - s, kernels::kListedSteps);
      job.cells = planes_.At(0, Index(s));
      job.cell_stride = planes_.stride();
      kernels::ListUsedGroups(job, packed_.digits.groups(), buffers_.used);
      buffers_.used_ends.push_back(buffers_.used.size());
    }
  }

  void SumUsed(std::int64_t first, kernels::DigitJob job) {
    std::size_t begin = 0;
    for (std::size_t part = 0; part < buffers_.used_ends.size(); ++part) {
      const std::size_t s = part * Index(kernels::kListedSteps);
      job.steps = std::min(static_cast<std::int64_t>(samples_.size() - s), kernels::kListedSteps);
      job.cells = planes_.At(0, s);
      job.sums = Low(0) + s * Index(kernels::kLaneUnit);
      job.high = High(0) + s * Index(kernels::kLaneUnit);
      job.stride = kernels::kLaneUnit;
      job.largest = planes_.LargestDigit(0);
      const std::size_t end = buffers_.used_ends[part];
      kernels::SumListedDigits(packed_.digits, first / kernels::kLaneUnit, job,
                               std::span(buffers_.used).subspan(begin, end - begin));
      begin = end;
    }
  }

  // Remembers what was seen of a sample's counts. False where they do not fit.
  bool See(std::size_t sample, std::uint64_t seen, std::uint64_t most) {
    if (seen > most) {
      if (most > UINT8_MAX) {
        Fail(sample);
      }
      return false;
    }
    own_.largest[sample] |= static_cast<std::int64_t>(seen);
    return true;
  }

  template <typename T>
  bool SendConv(std::int64_t first, std::int64_t slices, std::uint64_t most) {
    const kernels::ConvGeometry& g = packed_.conv;
    kernels::DigitJob job;
    job.steps = g.out_width;
    job.cell_stride = g.stride_x * g.in_channels;
    job.segment_stride = g.dilation_y * packed_.plane_row;
    job.slices = slices;
    std::array<kernels::SendJob, kernels::kMostDigitSlices> sends;
    for (std::int64_t slot = 0; slot < slices; ++slot) {
      sends[Index(slot)] = JobOf(first + slot * kernels::kLaneUnit, slot);
      sends[Index(slot)].sum_stride = slices * kernels::kLaneUnit;
      sends[Index(slot)].pixels = g.out_width;
      sends[Index(slot)].stride = packed_.channels;
    }
    bool fits = true;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (varies_) {
        SetBase(Steps(s));
        SplitBase();
      }
      for (std::int64_t slot = 0; slot < slices; ++slot) {
        sends[Index(slot)].times = Times(Steps(s));
      }
      for (std::int64_t y = 0; y < g.out_height && Works(s); ++y) {
        for (int p = 0; p < planes_.digits(); ++p) {
          Sum(p, planes_.At(p, s) + y * g.stride_y * packed_.plane_row, first, job);
        }
        for (std::int64_t slot = 0; slot < slices; ++slot) {
          const std::int64_t channel = first + slot * kernels::kLaneUnit;
          fits = See(s, SendRow<T>(sends[Index(slot)], s, y, channel), most) && fits;
        }
      }
    }
    return fits;
  }

  template <typename T>
  std::uint64_t SendRow(kernels::SendJob& send, std::size_t sample, std::int64_t y, std::int64_t channel) {
    const std::int64_t pixel = y * packed_.conv.out_width;
    const std::int64_t of_base = channel + pixel * base_stride_;
    send.base = buffers_.base.data() + of_base;
    if (halves_) {
      send.halves = {buffers_.base_low.data() + of_base, buffers_.base_high.data() + of_base};
    }
    return kernels::SendSums(send, Target<T>(sample) + pixel * packed_.channels + channel);
  }

  template <typename T>
  bool SendDense(std::int64_t first, std::uint64_t most) {
    kernels::DigitJob job;
    job.steps = static_cast<std::int64_t>(samples_.size());
    job.cell_stride = planes_.stride();
    for (int p = 0; p < planes_.digits(); ++p) {
      if (held_ && planes_.digits() == 1) {
        SumUsed(first, job);
      } else {
        Sum(p, planes_.At(p, 0), first, job);
      }
    }
    kernels::SendJob send = JobOf(first);
    send.pixels = job.steps;
    send.stride = TargetStride<T>();
    send.seen = buffers_.seen.data();
    (void)kernels::SendSums(send, Target<T>(0) + first);
    bool fits = true;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      fits = See(s, buffers_.seen[s], most) && fits;
    }
    return fits;
  }

  // Of no use to anybody, but they are read with the others'.
  void DropFailed() {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (!Works(s)) {
        own_.narrow[s] = false;
        own_.largest[s] = 0;
        std::fill_n(Target<std::int32_t>(s), own_.size, 0);
      }
    }
  }

  const CpuRun& run_;
  const ClosedSite site_;
  const Layer& layer_;
  const Term& term_;
  const VectorTerm& packed_;
  const MemoryConstants& memory_;
  const ClosedLayer& pass_;
  const std::int64_t delay_;
  const bool held_;
  const std::span<ClosedSample> samples_;
  ClosedScratch& buffers_;
  Sent& own_;
  CountPlanes planes_;
  std::int64_t last_ = 0;  // of the samples' steps
  bool varies_ = false;    // they are at different ones
  bool begun_ = false;     // what held inputs have brought is not that of all steps
  std::int64_t base_stride_ = 0;
  // Of the slices that are sent.
  std::array<std::array<std::uint8_t, kernels::kLaneUnit>, kernels::kMostDigitSlices> shifts_{};
  bool halves_ = false;  // `base` is there in halves too
};

}  // namespace

bool RunFusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples,
                   CpuScratch& scratch) {
  return run.IsFused(site.layer) && FusedLayer(run, site, samples, scratch).Run();
}

}  // namespace spikeserve::engine
