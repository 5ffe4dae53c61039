#include "server/engine/cpu/closed_fused.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/memory.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "server/engine/cpu/layout/sum_bounds.h"
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
        steps_(site.steps - run.closed_layers[site.layer].ages[site.age]),
        delay_(PureDelay(term_.synapse, term_.delay_steps).value_or(0)),
        held_(run.closed_layers[site.layer].sources[0] == ChargeSource::kHeld),
        samples_(samples),
        buffers_(scratch.closed),
        own_(buffers_.sent[site.layer][site.age]) {}

  bool Run() {
    if (steps_ <= 0) {
      return false;
    }
    FindSource();
    if (planes_ > kPlanesAtOnce) {
      return false;
    }
    CheckRange();
    SetBase();
    for (int p = 0; p < planes_; ++p) {
      for (std::size_t s = 0; s < samples_.size(); ++s) {
        LayOut(p, s);
      }
    }
    if (held_ && planes_ == 1 && packed_.kind == kernels::ProductKind::kDense) {
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

  // What the counts lie in, and how many digits those of the group have.
  void FindSource() {
    most_ = UINT8_MAX;
    if (!held_) {
      const std::size_t source = Index(run_.population(term_.population).layer);
      const std::vector<std::int64_t>& ages = run_.closed_layers[source].ages;
      const std::int64_t wanted = run_.closed_layers[site_.layer].ages[site_.age] + delay_;
      source_ = &buffers_.sent[source][Index(std::find(ages.begin(), ages.end(), wanted) - ages.begin())];
      const auto end = source_->largest.begin() + static_cast<std::ptrdiff_t>(samples_.size());
      most_ = *std::max_element(source_->largest.begin(), end);
      const auto narrow_end = source_->narrow.begin() + static_cast<std::ptrdiff_t>(samples_.size());
      aliased_ = term_.product.gather.start.empty() && IsPlane() &&
                 std::all_of(source_->narrow.begin(), narrow_end, [](bool narrow) { return narrow; });
    }
    most_ *= term_.product.gather.most;
    planes_ = 1;
    while (most_ >> (planes_ * bits_) != 0) {
      ++planes_;
    }
    aliased_ = aliased_ && planes_ == 1;
  }

  std::int64_t times() const { return held_ ? std::max<std::int64_t>(steps_ - delay_, 0) : 1; }

  void CheckRange() {
    const double of_count = static_cast<double>(term_.product.gather.most) * term_.product.max_row_sum *
                            static_cast<double>(times());
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const double bound = of_count * static_cast<double>(held_ ? UINT8_MAX : source_->largest[s]);
      if (!memory_.Fits(steps_) || !(bound <= kWideSums)) {
        Fail(s);
      }
    }
  }

  // What is added to all sums, of every neuron or of every channel.
  void SetBase() {
    const std::int64_t size = memory_.period;
    const std::vector<std::int64_t>& offset = memory_.offsets[0];
    for (std::size_t j = 0; j < Index(size); ++j) {
      buffers_.base[j] = steps_ * memory_.bias[j] + memory_.start[j];
    }
    for (std::size_t j = 0; j < std::min(Index(size), offset.size()); ++j) {
      buffers_.base[j] += times() * offset[j];
    }
    std::fill_n(buffers_.base.begin() + size, kernels::kLaneUnit, 0);
    base_stride_ = size == packed_.channels ? 0 : packed_.channels;
  }

  std::size_t Place(int plane, std::size_t sample) const {
    return Index(plane * buffers_.group) + sample;
  }

  // Digit `plane` of the cells of a sample.
  void LayOut(int plane, std::size_t sample) {
    if (!held_ && !source_->narrow[sample]) {
      LayOutCells(plane, sample, GatherCounts(sample));
      return;
    }
    std::span<const std::uint8_t> cells;
    if (held_) {
      const auto* bytes =
          reinterpret_cast<const std::uint8_t*>(samples_[sample].inputs->data[Index(term_.population)]);
      cells = {bytes, Index(run_.population(term_.population).size)};
    } else {
      cells = source_->Bytes(sample);
    }
    if (!term_.product.gather.start.empty()) {
      if (held_ || most_ > UINT8_MAX) {
        LayOutCells(plane, sample, GatherWidened(cells));
        return;
      }
      packed_.runs.Gather(cells.data(), buffers_.byte_cells.data());
      cells = buffers_.byte_cells.first(Index(term_.product.in));
    } else if (aliased_) {
      buffers_.plane[Place(plane, sample)] = cells.data();
      return;
    }
    LayOutCells(plane, sample, cells);
  }

  // Whether cells side by side are what the product reads.
  bool IsPlane() const {
    const kernels::ConvGeometry& g = packed_.conv;
    return packed_.kind == kernels::ProductKind::kDense ||
           (g.pad_left == 0 && g.pad_top == 0 && packed_.plane_row == g.in_width * g.in_channels &&
            packed_.plane_rows <= g.in_height);
  }

  std::span<const std::int32_t> GatherCounts(std::size_t sample) {
    const std::span<const std::int32_t> counts = source_->Counts(sample);
    if (term_.product.gather.start.empty()) {
      return counts;
    }
    const std::span<std::int32_t> cells = buffers_.cells.first(Index(term_.product.in));
    packed_.runs.Gather(counts, cells);
    return cells;
  }

  std::span<const std::int32_t> GatherWidened(std::span<const std::uint8_t> bytes) {
    const std::span<std::int32_t> cells = buffers_.cells.first(Index(term_.product.in));
    packed_.runs.Gather(bytes, cells);
    return cells;
  }

  template <typename T>
  void LayOutCells(int plane, std::size_t sample, std::span<const T> cells) {
    const std::int64_t bytes = PlaneBytes(packed_);
    std::uint8_t* const to = buffers_.planes.data() + static_cast<std::int64_t>(Place(plane, sample)) * bytes;
    buffers_.plane[Place(plane, sample)] = to;
    const int shift = plane * bits_;
    if (packed_.kind == kernels::ProductKind::kDense) {
      kernels::TakeDigits(cells, shift, bits_, to);
      std::memset(to + cells.size(), 0, Index(bytes) - cells.size());
      return;
    }
    const kernels::ConvGeometry& g = packed_.conv;
    const std::int64_t row = g.in_width * g.in_channels;
    const std::int64_t left = g.pad_left * g.in_channels;
    const std::int64_t width = std::min(row, packed_.plane_row - left);
    const std::int64_t copied = IsPlane() ? packed_.plane_row * packed_.plane_rows : 0;
    std::memset(to + copied, 0, Index(bytes - copied));
    for (std::int64_t y = 0; y < std::min(g.in_height, packed_.plane_rows - g.pad_top) && width > 0; ++y) {
      kernels::TakeDigits(cells.subspan(Index(y * row), Index(width)), shift, bits_,
                          to + (y + g.pad_top) * packed_.plane_row + left);
    }
  }

  template <typename T>
  T* Target(std::size_t sample) {
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      return own_.bytes.data() + static_cast<std::int64_t>(sample) * own_.byte_stride;
    } else {
      return own_.counts.data() + static_cast<std::int64_t>(sample) * own_.size;
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
    for (std::int64_t first = 0; first < packed_.channels; first += kernels::kLaneUnit) {
      const bool fits = packed_.kind == kernels::ProductKind::kDense ? SendDense<T>(first, kMost)
                                                                     : SendConv<T>(first, kMost);
      if (!fits && kBytes) {
        return false;
      }
    }
    return true;
  }

  kernels::SendJob JobOf(std::int64_t first) {
    kernels::SendJob job;
    job.width = std::min(kernels::kLaneUnit, packed_.channels - first);
    job.planes = planes_;
    job.bits = bits_;
    for (int p = 0; p < planes_; ++p) {
      job.low[p] = Low(p);
      job.high[p] = High(p);
    }
    job.times = times();
    job.base = buffers_.base.data() + first;
    job.base_stride = base_stride_;
    job.shift = memory_.shift.data() + first;
    return job;
  }

  std::int32_t* Low(int plane) { return buffers_.low.data() + Index(plane) * buffers_.low.size() / 2; }
  std::int32_t* High(int plane) { return buffers_.high.data() + Index(plane) * buffers_.high.size() / 2; }

  void Sum(int plane, const std::uint8_t* cells, std::int64_t first, kernels::DigitJob job) {
    job.cells = cells;
    job.sums = Low(plane);
    job.high = High(plane);
    job.stride = kernels::kLaneUnit;
    job.largest = std::min(most_ >> (plane * bits_), (std::int64_t{1} << bits_) - 1);
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
      job.cells = buffers_.plane[Index(s)];
      job.cell_stride = PlaneBytes(packed_);
      kernels::ListUsedGroups(job, packed_.digits.groups(), buffers_.used);
      buffers_.used_ends.push_back(buffers_.used.size());
    }
  }

  void SumUsed(std::int64_t first, kernels::DigitJob job) {
    std::size_t begin = 0;
    for (std::size_t part = 0; part < buffers_.used_ends.size(); ++part) {
      const std::size_t s = part * Index(kernels::kListedSteps);
      job.steps = std::min(static_cast<std::int64_t>(samples_.size() - s), kernels::kListedSteps);
      job.cells = buffers_.plane[s];
      job.sums = Low(0) + s * Index(kernels::kLaneUnit);
      job.high = High(0) + s * Index(kernels::kLaneUnit);
      job.stride = kernels::kLaneUnit;
      job.largest = most_;
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
  bool SendConv(std::int64_t first, std::uint64_t most) {
    const kernels::ConvGeometry& g = packed_.conv;
    kernels::DigitJob job;
    job.steps = g.out_width;
    job.cell_stride = g.stride_x * g.in_channels;
    job.segment_stride = g.dilation_y * packed_.plane_row;
    kernels::SendJob send = JobOf(first);
    send.pixels = g.out_width;
    send.stride = packed_.channels;
    bool fits = true;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      for (std::int64_t y = 0; y < g.out_height && Works(s); ++y) {
        for (int p = 0; p < planes_; ++p) {
          Sum(p, buffers_.plane[Place(p, s)] + y * g.stride_y * packed_.plane_row, first, job);
        }
        send.base = buffers_.base.data() + first + y * g.out_width * base_stride_;
        T* const to = Target<T>(s) + y * g.out_width * packed_.channels + first;
        fits = See(s, kernels::SendSums(send, to), most) && fits;
      }
    }
    return fits;
  }

  template <typename T>
  bool SendDense(std::int64_t first, std::uint64_t most) {
    kernels::DigitJob job;
    job.steps = static_cast<std::int64_t>(samples_.size());
    job.cell_stride = aliased_ ? source_->byte_stride : PlaneBytes(packed_);
    for (int p = 0; p < planes_; ++p) {
      if (held_ && planes_ == 1) {
        SumUsed(first, job);
      } else {
        Sum(p, buffers_.plane[Place(p, 0)], first, job);
      }
    }
    kernels::SendJob send = JobOf(first);
    bool fits = true;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      send.pixels = 1;
      for (int p = 0; p < planes_; ++p) {
        send.low[p] = Low(p) + static_cast<std::int64_t>(s) * kernels::kLaneUnit;
        send.high[p] = High(p) + static_cast<std::int64_t>(s) * kernels::kLaneUnit;
      }
      fits = See(s, kernels::SendSums(send, Target<T>(s) + first), most) && fits;
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
  const std::int64_t steps_, delay_;
  const bool held_;
  const std::span<ClosedSample> samples_;
  ClosedScratch& buffers_;
  Sent& own_;
  Sent* source_ = nullptr;  // unless the input is held
  const int bits_ = DigitBits();
  std::int64_t most_ = 0;  // no cell is above it
  int planes_ = 1;
  bool aliased_ = false;  // the counts lie as the product reads them
  std::int64_t base_stride_ = 0;
};

}  // namespace

int DigitBits() { return kernels::MostDigitCount() >= UINT8_MAX ? 8 : 7; }

bool IsFused(const CpuRun& run, std::size_t layer) {
  const Layer& plan = run.plan->layers[layer];
  if (!run.IsClosed(layer) || plan.terms.size() != 1 || run.vector_weights == nullptr ||
      (*run.vector_weights)[layer].terms[0].empty()) {
    return false;
  }
  const MemoryConstants& memory = run.constants[layer].memory;
  if (memory.slope != 0 || !memory.ceiling.empty()) {
    return false;
  }
  switch (run.closed_layers[layer].sources[0]) {
    case ChargeSource::kHeld: return run.constants[layer].terms[0].integers;
    case ChargeSource::kClosed: {
      const std::int64_t source = run.population(plan.terms[0].population).layer;
      return run.constants[Index(source)].memory.slope == 0;
    }
    case ChargeSource::kSteps:
    case ChargeSource::kTotals: break;
  }
  return false;
}

bool RunFusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples,
                   CpuScratch& scratch) {
  return IsFused(run, site.layer) && FusedLayer(run, site, samples, scratch).Run();
}

}  // namespace spikeserve::engine
