#include "server/engine/cpu/closed_slices.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/cpu/send_sums.h"
#include "kernels/cpu/spikes/digit_sums.h"

namespace spikeserve::engine {
namespace {

using kernels::kLaneUnit;

template <typename T>
class Slices {
 public:
  Slices(const FusedLayerJob& job, ClosedScratch::Part& part)
      : job_(job), packed_(job.packed), buffers_(job.buffers), part_(part) {}

  void Send(std::int64_t first, std::int64_t slices) {
    if (packed_.kind == kernels::ProductKind::kDense) {
      SendDense(first * kLaneUnit);
    } else {
      SendConv(first * kLaneUnit, slices);
    }
  }

 private:
  // From sample to sample of what is sent.
  std::int64_t TargetStride() const {
    return std::is_same_v<T, std::uint8_t> ? job_.own.byte_stride : job_.own.size;
  }

  T* Target(std::size_t sample) const {
    const std::int64_t at = static_cast<std::int64_t>(sample) * TargetStride();
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      return job_.own.bytes.data() + at;
    } else {
      return job_.own.counts.data() + at;
    }
  }

  std::int32_t* Low(int plane) { return part_.low.data() + Index(plane) * part_.low.size() / 2; }
  std::int32_t* High(int plane) { return part_.high.data() + Index(plane) * part_.high.size() / 2; }

  // Of the slice that begins with channel `first`, `slot` slices behind the first one that was summed.
  kernels::SendJob JobOf(std::int64_t first, std::int64_t slot = 0) {
    kernels::SendJob send;
    send.width = std::min(kLaneUnit, packed_.channels - first);
    send.planes = job_.planes.digits();
    send.bits = DigitBits();
    for (int p = 0; p < send.planes; ++p) {
      send.low[p] = Low(p) + slot * kLaneUnit;
      send.high[p] = High(p) + slot * kLaneUnit;
    }
    send.times = job_.times[0];
    send.base_stride = job_.base_stride;
    SetBase(first, send);
    auto& shift = shifts_[Index(slot)];
    shift.fill(kernels::kShiftOfNone);
    std::copy_n(job_.memory.shift.begin() + first, send.width, shift.begin());
    send.shift = shift.data();
    return send;
  }

  void SetBase(std::int64_t at, kernels::SendJob& send) const {
    send.base = buffers_.base.data() + at;
    if (job_.halves) {
      send.halves = {buffers_.base_low.data() + at, buffers_.base_high.data() + at};
    }
  }

  void Sum(int plane, const std::uint8_t* cells, std::int64_t first, kernels::DigitJob job) {
    job.cells = cells;
    job.sums = Low(plane);
    job.high = High(plane);
    job.stride = job.slices * kLaneUnit;
    job.largest = job_.planes.LargestDigit(plane);
    kernels::SumDigits(packed_.digits, first / kLaneUnit, job);
  }

  // Of few samples at a time, what none of them uses is left out.
  void SumUsed(std::int64_t first, kernels::DigitJob job) {
    std::size_t begin = 0;
    for (std::size_t list = 0; list < buffers_.used_ends.size(); ++list) {
      const std::size_t s = list * Index(kernels::kListedSteps);
      job.steps = std::min(static_cast<std::int64_t>(job_.samples.size() - s), kernels::kListedSteps);
      job.cells = job_.planes.At(0, s);
      job.sums = Low(0) + s * Index(kLaneUnit);
      job.high = High(0) + s * Index(kLaneUnit);
      job.stride = kLaneUnit;
      job.largest = job_.planes.LargestDigit(0);
      const std::size_t end = buffers_.used_ends[list];
      kernels::SumListedDigits(packed_.digits, first / kLaneUnit, job,
                               std::span<const std::int32_t>(buffers_.used).subspan(begin, end - begin));
      begin = end;
    }
  }

  void SendConv(std::int64_t first, std::int64_t slices) {
    const kernels::ConvGeometry& g = packed_.conv;
    kernels::DigitJob job;
    job.steps = g.out_width;
    job.cell_stride = g.stride_x * g.in_channels;
    job.segment_stride = g.dilation_y * packed_.plane_row;
    job.slices = slices;
    std::array<kernels::SendJob, kernels::kMostDigitSlices> sends;
    for (std::int64_t slot = 0; slot < slices; ++slot) {
      kernels::SendJob& send = sends[Index(slot)] = JobOf(first + slot * kLaneUnit, slot);
      send.sum_stride = slices * kLaneUnit;
      send.pixels = g.out_width;
      send.stride = packed_.channels;
    }
    for (std::size_t s = 0; s < job_.samples.size(); ++s) {
      if (job_.rebase) {
        job_.rebase(s);
      }
      for (std::int64_t y = 0; y < g.out_height && job_.samples[s].failed < 0; ++y) {
        for (int p = 0; p < job_.planes.digits(); ++p) {
          Sum(p, job_.planes.At(p, s) + y * g.stride_y * packed_.plane_row, first, job);
        }
        for (std::int64_t slot = 0; slot < slices; ++slot) {
          kernels::SendJob& send = sends[Index(slot)];
          send.times = job_.times[s];
          SendRow(send, s, y * g.out_width, first + slot * kLaneUnit);
        }
      }
    }
  }

  void SendRow(kernels::SendJob& send, std::size_t sample, std::int64_t pixel, std::int64_t channel) {
    SetBase(channel + pixel * job_.base_stride, send);
    part_.all[sample] |= kernels::SendSums(send, Target(sample) + pixel * packed_.channels + channel);
  }

  void SendDense(std::int64_t first) {
    kernels::DigitJob job;
    job.steps = static_cast<std::int64_t>(job_.samples.size());
    job.cell_stride = job_.planes.stride();
    for (int p = 0; p < job_.planes.digits(); ++p) {
      if (job_.listed) {
        SumUsed(first, job);
      } else {
        Sum(p, job_.planes.At(p, 0), first, job);
      }
    }
    kernels::SendJob send = JobOf(first);
    send.pixels = job.steps;
    send.stride = TargetStride();
    send.seen = part_.seen.data();
    (void)kernels::SendSums(send, Target(0) + first);
    for (std::size_t s = 0; s < job_.samples.size(); ++s) {
      part_.all[s] |= part_.seen[s];
    }
  }

  const FusedLayerJob& job_;
  const VectorTerm& packed_;
  const ClosedScratch& buffers_;
  ClosedScratch::Part& part_;
  // Of the slices that are sent.
  std::array<std::array<std::uint8_t, kLaneUnit>, kernels::kMostDigitSlices> shifts_{};
};

}  // namespace

std::int64_t SlicesAtOnce(const FusedLayerJob& job, std::int64_t first) {
  if (job.packed.kind == kernels::ProductKind::kDense) {
    return 1;
  }
  const std::int64_t all = (job.packed.channels + kLaneUnit - 1) / kLaneUnit;
  return std::min(all - first, kernels::DigitSlices(job.packed.digits, job.packed.conv.out_width));
}

template <typename T>
void SendSlices(const FusedLayerJob& job, std::int64_t first, std::int64_t end, ClosedScratch::Part& part) {
  std::fill_n(part.all.begin(), job.samples.size(), 0);
  Slices<T> slices(job, part);
  for (std::int64_t at_once = 1; first < end; first += at_once) {
    at_once = std::min(SlicesAtOnce(job, first), end - first);
    slices.Send(first, at_once);
  }
}

template void SendSlices<std::uint8_t>(const FusedLayerJob&, std::int64_t, std::int64_t,
                                       ClosedScratch::Part&);
template void SendSlices<std::int32_t>(const FusedLayerJob&, std::int64_t, std::int64_t,
                                       ClosedScratch::Part&);

}  // namespace spikeserve::engine
