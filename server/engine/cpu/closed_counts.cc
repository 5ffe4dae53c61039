// Units that read counts: what they have sent is a function of what their cells have sent.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "server/engine/cpu/closed_pass.h"
#include "server/engine/cpu/layout/count_cells.h"

namespace spikeserve::engine {
namespace {

using Sent = ClosedScratch::Sent;

class CountsPass {
 public:
  CountsPass(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples, CpuScratch& scratch)
      : run_(run),
        site_(site),
        plan_(run.plan->layers[site.layer]),
        pass_(run.passes[site.layer]),
        size_(Index(plan_.size)),
        samples_(samples),
        scratch_(scratch),
        buffers_(scratch.closed),
        own_(buffers_.sent[site.layer][site.age]) {}

  void Run(bool sums) {
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      own_.narrow[s] = false;
      own_.largest[s] = 0;
      if (samples_[s].failed >= 0) {
        std::fill_n(own_.counts.begin() + static_cast<std::ptrdiff_t>(s * size_), size_, 0);
      } else if (!sums && IsNarrow(s)) {
        TakeBytes(s);
      } else {
        TakeCounts(s);
      }
      if (sums) {
        const auto counts = own_.counts.subspan(s * size_, size_);
        std::copy(counts.begin(), counts.end(), buffers_.z.begin() + static_cast<std::ptrdiff_t>(s * size_));
      }
    }
  }

 private:
  Sent& SourceOf(std::size_t term) {
    const std::size_t source = Index(run_.population(plan_.terms[term].population).layer);
    return buffers_.sent[source][run_.passes[source].Place(pass_.ages[site_.age])];
  }

  bool IsNarrow(std::size_t s) {
    if (NeuronsOf(plan_)->counts != NeuronLayer::Counts::kLargest) {
      return false;
    }
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      if (pass_.sources[t] != ChargeSource::kClosed || !SourceOf(t).narrow[s]) {
        return false;
      }
    }
    return true;
  }

  void TakeBytes(std::size_t s) {
    const std::span<std::uint8_t> largest = own_.bytes.subspan(s * Index(own_.byte_stride), size_);
    std::fill(largest.begin(), largest.end(), 0);
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      kernels::MaxCells(plan_.terms[t].product.gather, SourceOf(t).Bytes(s), largest);
      own_.largest[s] = std::max(own_.largest[s], SourceOf(t).largest[s]);
    }
    own_.narrow[s] = true;
  }

  // As counts; those that were added step by step fit them as well.
  std::span<const std::int32_t> TotalsOf(std::size_t s, std::size_t t) {
    if (pass_.sources[t] == ChargeSource::kClosed) {
      return SourceOf(t).Counts(s);
    }
    const std::span<const std::int64_t> totals = (*samples_[s].layers)[site_.layer].terms[t].totals;
    const std::span<std::int32_t> counts = buffers_.cells.first(totals.size());
    std::transform(totals.begin(), totals.end(), counts.begin(),
                   [](std::int64_t total) { return static_cast<std::int32_t>(total); });
    return counts;
  }

  void TakeCounts(std::size_t s) {
    const std::span<std::int32_t> taken = own_.counts.subspan(s * size_, size_);
    const std::int64_t steps = samples_[s].steps - pass_.ages[site_.age];
    const auto totals = [this, s](std::size_t t) { return TotalsOf(s, t); };
    if (NeuronsOf(plan_)->counts == NeuronLayer::Counts::kLargest) {
      TakeLargest(plan_, totals, taken);
    } else if (steps <= 0) {
      std::fill(taken.begin(), taken.end(), 0);
    } else {
      const std::span<std::int64_t> product = scratch_.charges.first(size_);
      TakeProduct<std::int32_t>(plan_, run_.constants[site_.layer].memory, steps, totals, product,
                                scratch_.other.first(size_));
      std::transform(product.begin(), product.end(), taken.begin(),
                     [](std::int64_t count) { return static_cast<std::int32_t>(count); });
    }
    for (const std::int32_t count : taken) {
      own_.largest[s] = std::max<std::int64_t>(own_.largest[s], std::abs(count));
    }
    if (own_.largest[s] > kMostSent) {
      samples_[s].failed = static_cast<std::int64_t>(site_.layer);
      own_.largest[s] = 0;
      std::fill(taken.begin(), taken.end(), 0);
    }
  }

  const CpuRun& run_;
  const ClosedSite site_;
  const Layer& plan_;
  const ClosedLayer& pass_;
  const std::size_t size_;
  const std::span<ClosedSample> samples_;
  CpuScratch& scratch_;
  ClosedScratch& buffers_;
  Sent& own_;
};

}  // namespace

bool RunCounts(const CpuRun& run, const ClosedSite& site, bool sums, std::span<ClosedSample> samples,
               CpuScratch& scratch) {
  if (!ReadsCounts(run.plan->layers[site.layer])) {
    return false;
  }
  CountsPass(run, site, samples, scratch).Run(sums);
  return true;
}

}  // namespace spikeserve::engine
