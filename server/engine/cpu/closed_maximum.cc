// Pools of kind MAX: the largest of what their cells have sent is what they have sent.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cpu/max_cells.h"
#include "server/engine/cpu/closed_pass.h"
#include "server/engine/cpu/layout/maxima.h"

namespace spikeserve::engine {
namespace {

using Sent = ClosedScratch::Sent;

class MaximumPass {
 public:
  MaximumPass(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples, CpuScratch& scratch)
      : run_(run),
        site_(site),
        plan_(run.plan->layers[site.layer]),
        pass_(run.passes[site.layer]),
        size_(Index(plan_.size)),
        samples_(samples),
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

  void TakeCounts(std::size_t s) {
    const std::span<std::int32_t> largest = own_.counts.subspan(s * size_, size_);
    std::fill(largest.begin(), largest.end(), std::numeric_limits<std::int32_t>::min());
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      const kernels::GatherSum& cells = plan_.terms[t].product.gather;
      if (pass_.sources[t] == ChargeSource::kClosed) {
        kernels::MaxCells(cells, SourceOf(t).Counts(s), largest);
      } else {
        const std::span<const std::int64_t> totals = (*samples_[s].layers)[site_.layer].terms[t].totals;
        const std::span<std::int32_t> counts = buffers_.cells.first(totals.size());
        std::transform(totals.begin(), totals.end(), counts.begin(),
                       [](std::int64_t total) { return static_cast<std::int32_t>(total); });
        kernels::MaxCells(cells, std::span<const std::int32_t>(counts), largest);
      }
    }
    TakeZeros(*NeuronsOf(plan_), largest);
    for (const std::int32_t count : largest) {
      own_.largest[s] = std::max<std::int64_t>(own_.largest[s], std::abs(count));
    }
  }

  const CpuRun& run_;
  const ClosedSite site_;
  const Layer& plan_;
  const ClosedLayer& pass_;
  const std::size_t size_;
  const std::span<ClosedSample> samples_;
  ClosedScratch& buffers_;
  Sent& own_;
};

}  // namespace

bool RunMaximum(const CpuRun& run, const ClosedSite& site, bool sums, std::span<ClosedSample> samples,
                CpuScratch& scratch) {
  if (!IsMaximum(run.plan->layers[site.layer])) {
    return false;
  }
  MaximumPass(run, site, samples, scratch).Run(sums);
  return true;
}

}  // namespace spikeserve::engine
