#include "server/engine/cpu/closed_planes.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/memory.h"
#include "kernels/cpu/spikes/digit_sums.h"

namespace spikeserve::engine {

CountPlanes::CountPlanes(const CpuRun& run, const Term& term, const VectorTerm& packed,
                         ClosedScratch::Sent* sent, std::span<const ClosedSample> samples,
                         ClosedScratch& buffers, bool lifted)
    : run_(run),
      term_(term),
      packed_(packed),
      sent_(sent),
      samples_(samples),
      buffers_(buffers),
      lifted_(lifted) {
  const auto count = static_cast<std::ptrdiff_t>(samples.size());
  for (std::size_t s = 0; s < samples.size(); ++s) {  // those without sums say nothing of the others
    most_ = Fits(s) ? std::max(most_, MostOf(s)) : most_;
  }
  while ((most_ + lift()) >> (digits_ * bits_) != 0) {
    ++digits_;
  }
  aliased_ =
      sent != nullptr && !lifted && digits_ == 1 && term.product.gather.start.empty() && IsPlane() &&
      std::all_of(sent->narrow.begin(), sent->narrow.begin() + count, [](bool narrow) { return narrow; });
}

std::int64_t CountPlanes::MostOf(std::size_t sample) const {
  return (sent_ != nullptr ? sent_->largest[sample] : UINT8_MAX) * term_.product.gather.most;
}

std::int64_t CountPlanes::LargestDigit(int digit) const {
  return std::min((most_ + lift()) >> (digit * bits_), (std::int64_t{1} << bits_) - 1);
}

std::int64_t CountPlanes::stride() const { return aliased_ ? sent_->byte_stride : PlaneBytes(packed_); }

void CountPlanes::LayOut(int digit, int slot) {
  for (std::size_t s = 0; s < samples_.size(); ++s) {
    LayOutSample(digit, slot, s);
  }
}

// Whether cells side by side are what the product reads.
bool CountPlanes::IsPlane() const {
  const kernels::ConvGeometry& g = packed_.conv;
  return packed_.kind == kernels::ProductKind::kDense ||
         (g.pad_left == 0 && g.pad_top == 0 && packed_.plane_row == g.in_width * g.in_channels &&
          packed_.plane_rows <= g.in_height);
}

void CountPlanes::LayOutSample(int digit, int slot, std::size_t sample) {
  const bool gathers = !term_.product.gather.start.empty();
  if (!Fits(sample)) {  // its sums would not: nobody reads them
    Copy(digit, slot, sample, std::span<const std::uint8_t>());
  } else if (aliased_) {
    buffers_.plane[Place(slot, sample)] = sent_->Bytes(sample).data();
  } else if (sent_ != nullptr && (lifted_ || !sent_->narrow[sample])) {
    const std::span<const std::int32_t> counts = sent_->Counts(sample);
    Copy(digit, slot, sample, Lift(gathers ? Gather(counts) : counts));
  } else if (!gathers) {
    Copy(digit, slot, sample, BytesOf(sample));
  } else if (sent_ == nullptr || most_ > UINT8_MAX) {
    Copy(digit, slot, sample, Gather(BytesOf(sample)));
  } else {
    packed_.runs.Gather(BytesOf(sample).data(), buffers_.byte_cells.data());
    Copy(digit, slot, sample,
         std::span<const std::uint8_t>(buffers_.byte_cells.first(Index(term_.product.in))));
  }
}

std::span<const std::uint8_t> CountPlanes::BytesOf(std::size_t sample) const {
  if (sent_ != nullptr) {
    return sent_->Bytes(sample);
  }
  const std::byte* const input = samples_[sample].inputs->data[Index(term_.population)];
  return {reinterpret_cast<const std::uint8_t*>(input), Index(run_.population(term_.population).size)};
}

// Sums under pooling windows.
template <typename T>
std::span<const std::int32_t> CountPlanes::Gather(std::span<const T> counts) {
  const std::span<std::int32_t> cells = buffers_.cells.first(Index(term_.product.in));
  packed_.runs.Gather(counts, cells);
  return cells;
}

std::span<const std::int32_t> CountPlanes::Lift(std::span<const std::int32_t> cells) {
  if (!lifted_) {
    return cells;
  }
  const std::span<std::int32_t> lifted = buffers_.cells.first(cells.size());
  std::transform(cells.begin(), cells.end(), lifted.begin(),
                 [this](std::int32_t cell) { return cell + static_cast<std::int32_t>(most_); });
  return lifted;
}

template <typename T>
void CountPlanes::Copy(int digit, int slot, std::size_t sample, std::span<const T> cells) {
  const std::int64_t bytes = PlaneBytes(packed_);
  std::uint8_t* const to = buffers_.planes.data() + static_cast<std::int64_t>(Place(slot, sample)) * bytes;
  buffers_.plane[Place(slot, sample)] = to;
  const int shift = digit * bits_;
  if (packed_.kind == kernels::ProductKind::kDense) {
    kernels::TakeDigits(cells, shift, bits_, to);
    std::memset(to + cells.size(), 0, Index(bytes) - cells.size());
    return;
  }
  const kernels::ConvGeometry& g = packed_.conv;
  const std::int64_t row = g.in_width * g.in_channels;
  const std::int64_t left = g.pad_left * g.in_channels;
  const std::int64_t width = std::min(row, packed_.plane_row - left);
  const std::int64_t copied = IsPlane() && !cells.empty() ? packed_.plane_row * packed_.plane_rows : 0;
  const std::int64_t beside = cells.empty() ? 0 : (lift() >> shift) & ((1 << bits_) - 1);
  std::memset(to + copied, static_cast<int>(beside), Index(bytes - copied));
  const std::int64_t rows = std::min(g.in_height, packed_.plane_rows - g.pad_top);
  for (std::int64_t y = 0; y < rows && width > 0 && !cells.empty(); ++y) {
    kernels::TakeDigits(cells.subspan(Index(y * row), Index(width)), shift, bits_,
                        to + (y + g.pad_top) * packed_.plane_row + left);
  }
}

}  // namespace spikeserve::engine
