#include "server/engine/cpu/held_digits.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/population.h"
#include "kernels/cpu/product.h"
#include "kernels/cpu/spikes/digit_sums.h"

namespace spikeserve::engine {
namespace {

// The samples take the role of steps.
class HeldDigits {
 public:
  HeldDigits(const CpuRun& run, std::size_t layer, std::size_t term, std::span<const HeldSample> samples,
             CpuScratch& scratch)
      : digits_((*run.vector_weights)[layer].terms[term].digits),
        constants_(run.constants[layer].terms[term]),
        samples_(samples),
        size_(run.plan->layers[layer].size),
        in_(run.plan->layers[layer].terms[term].product.in),
        row_(digits_.groups() * kernels::kDigitCells),
        slices_((size_ + kernels::kLaneUnit - 1) / kernels::kLaneUnit),
        scratch_(scratch.vectors) {}

  void Run() {
    LoadCells();
    ListGroups();
    for (std::int64_t slice = 0; slice < slices_; ++slice) {  // whose weights stay in the cache
      SumSlice(slice);
    }
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      Finish(s, *samples_[s].state);
    }
  }

 private:
  std::int64_t parts() const {
    return (static_cast<std::int64_t>(samples_.size()) + kernels::kListedSteps - 1) / kernels::kListedSteps;
  }

  void LoadCells() {
    const std::span<std::uint8_t> cells = scratch_.held_bytes;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      std::uint8_t* row = cells.data() + s * Index(row_);
      std::memcpy(row, samples_[s].input, Index(in_));
      std::memset(row + in_, 0, Index(row_ - in_));
    }
  }

  // A few samples, without where their sums go.
  kernels::DigitJob Part(std::int64_t part) const {
    const std::int64_t first = part * kernels::kListedSteps;
    kernels::DigitJob job;
    job.steps = std::min(static_cast<std::int64_t>(samples_.size()) - first, kernels::kListedSteps);
    job.cells = scratch_.held_bytes.data() + first * row_;
    job.cell_stride = row_;
    job.stride = slices_ * kernels::kLaneUnit;
    return job;
  }

  void ListGroups() {
    scratch_.used_groups.clear();
    scratch_.used_ends.clear();
    for (std::int64_t part = 0; part < parts(); ++part) {
      kernels::ListUsedGroups(Part(part), digits_.groups(), scratch_.used_groups);
      scratch_.used_ends.push_back(scratch_.used_groups.size());
    }
  }

  void SumSlice(std::int64_t slice) {
    std::size_t begin = 0;
    for (std::int64_t part = 0; part < parts(); ++part) {
      const std::size_t end = scratch_.used_ends[Index(part)];
      kernels::DigitJob job = Part(part);
      const std::int64_t at = part * kernels::kListedSteps * job.stride + slice * kernels::kLaneUnit;
      job.sums = scratch_.low_sums.data() + at;
      job.high = scratch_.high_sums.data() + at;
      kernels::SumListedDigits(digits_, slice, job,
                               std::span(scratch_.used_groups).subspan(begin, end - begin));
      begin = end;
    }
  }

  void Finish(std::size_t sample, TermState& state) {
    const std::span<float> current = state.constant;
    state.known = true;
    const auto sums = [&](std::span<const std::int32_t> half) {
      return half.subspan(sample * Index(slices_ * kernels::kLaneUnit), Index(size_));
    };
    kernels::Scale(sums(scratch_.low_sums), sums(scratch_.high_sums), constants_.scale, current);
    if (!constants_.offset.empty()) {
      kernels::Add(constants_.offset, current);
    }
  }

  const kernels::DigitWeights& digits_;
  const TermConstants& constants_;
  const std::span<const HeldSample> samples_;
  const std::int64_t size_, in_, row_, slices_;
  VectorScratch& scratch_;
};

}  // namespace

void ComputeHeldDigits(const CpuRun& run, std::size_t layer, std::size_t term,
                       std::span<const HeldSample> samples, CpuScratch& scratch) {
  HeldDigits(run, layer, term, samples, scratch).Run();
}

}  // namespace spikeserve::engine
