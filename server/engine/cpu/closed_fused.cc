#include <algorithm>
#include <cstdlib>
#include <type_traits>

#include "kernels/cpu/send_sums.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "server/engine/cpu/closed_pass.h"
#include "server/engine/cpu/closed_slices.h"
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
        pool_(scratch.pool),
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
    const FusedLayerJob job = Job();
    if (job.listed) {
      ListUsed();
    }
    if (buffers_.wide[site_.layer] || !Send<std::uint8_t>(job)) {
      buffers_.wide[site_.layer] = true;
      Send<std::int32_t>(job);
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

  FusedLayerJob Job() {
    FusedLayerJob job{
        .packed = packed_,
        .memory = memory_,
        .samples = samples_,
        .planes = planes_,
        .buffers = buffers_,
        .own = own_,
        .times = {},
        .base_stride = memory_.period == packed_.channels ? 0 : packed_.channels,
        .halves = halves_,
        .listed = held_ && planes_.digits() == 1 && packed_.kind == kernels::ProductKind::kDense,
        .rebase = {}};
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      job.times.push_back(Times(Steps(s)));
    }
    if (varies_) {
      job.rebase = [this](std::size_t sample) {
        SetBase(Steps(sample));
        SplitBase();
      };
    }
    return job;
  }

  // In how many parts threads should share the slices: waking a thread must be worth it.
  std::int64_t Parts(std::int64_t slices) const {
    constexpr double kPerPart = 1e5;  // products of 64 bytes, some 12 us
    if (pool_ == nullptr || varies_) {
      return 1;
    }
    const double work = static_cast<double>(samples_.size()) * static_cast<double>(packed_.pixels * slices) *
                        static_cast<double>(packed_.digits.groups() * packed_.digits.digits());
    const auto worth = static_cast<std::int64_t>(std::min(work / kPerPart, 1e6));
    return std::max<std::int64_t>(std::min({pool_->threads(), worth, slices, kMostParts}), 1);
  }

  // False where a count does not fit the type.
  template <typename T>
  bool Send(const FusedLayerJob& job) {
    constexpr bool kBytes = std::is_same_v<T, std::uint8_t>;
    constexpr std::uint64_t kMost = kBytes ? UINT8_MAX : static_cast<std::uint64_t>(kMostSent);
    const std::int64_t slices = (packed_.channels + kernels::kLaneUnit - 1) / kernels::kLaneUnit;
    const std::int64_t parts = Parts(slices);
    const auto send = [&](std::int64_t part) {
      SendSlices<T>(job, slices * part / parts, slices * (part + 1) / parts, buffers_.PartOf(part));
    };
    if (parts == 1) {
      send(0);
    } else {
      buffers_.PartOf(parts - 1);  // made before threads look for theirs
      pool_->For(parts, [&](std::int64_t part, std::int64_t) { send(part); });
    }
    bool fits = true;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      std::uint64_t all = 0;
      for (std::int64_t part = 0; part < parts; ++part) {
        all |= buffers_.parts[Index(part)].all[s];
      }
      own_.narrow[s] = kBytes;
      own_.largest[s] = static_cast<std::int64_t>(all);
      fits = fits && all <= kMost;
      if (all > kMost && !kBytes) {
        Fail(s);
      }
    }
    return fits;
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

  // Of no use to anybody, but they are read with the others'.
  void DropFailed() {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (!Works(s)) {
        own_.narrow[s] = false;
        own_.largest[s] = 0;
        std::fill_n(own_.counts.begin() + static_cast<std::ptrdiff_t>(s) * own_.size, own_.size, 0);
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
  ThreadPool* const pool_;
  CountPlanes planes_;
  std::int64_t last_ = 0;  // of the samples' steps
  bool varies_ = false;    // they are at different ones
  bool begun_ = false;     // what held inputs have brought is not that of all steps
  bool halves_ = false;    // `base` is there in halves too
};

}  // namespace

bool RunFusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples,
                   CpuScratch& scratch) {
  return run.IsFused(site.layer) && FusedLayer(run, site, samples, scratch).Run();
}

}  // namespace spikeserve::engine
