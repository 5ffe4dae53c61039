#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "server/engine/cpu/closed_pass.h"

namespace spikeserve::engine {

// The cells that one product reads of a group of samples, digit by digit, as kernels::SumDigits wants them:
// side by side, the image of a convolution with its padding. They come from what a layer in closed form has
// sent, or from the bytes of an input that is held. One thread.
class CountPlanes {
 public:
  // `sent` is null where the source is a held input. Digits are those of numbers from 0 on: cells that may be
  // below are `lifted`, by the same of all samples, and so is the padding, so that a sum has as much more as
  // that times the sum of its row.
  CountPlanes(const CpuRun& run, const Term& term, const VectorTerm& packed, ClosedScratch::Sent* sent,
              std::span<const ClosedSample> samples, ClosedScratch& buffers, bool lifted = false);

  // Whether the cells of the sample fit an int32: those of others are laid out as zeros.
  bool Fits(std::size_t sample) const { return MostOf(sample) <= (lifted_ ? INT32_MAX / 2 : INT32_MAX); }
  // By what cells of samples that fit are lifted.
  std::int64_t lift() const { return lifted_ ? most_ : 0; }
  // How many digits the largest cell has, of samples that fit.
  int digits() const { return digits_; }
  // No cell of that sample is above it.
  std::int64_t MostOf(std::size_t sample) const;
  // The largest that digit may be.
  std::int64_t LargestDigit(int digit) const;

  // Lays a digit of all samples out in slot `slot`.
  void LayOut(int digit, int slot);
  const std::uint8_t* At(int slot, std::size_t sample) const { return buffers_.plane[Place(slot, sample)]; }
  // From sample to sample of a slot.
  std::int64_t stride() const;

 private:
  std::size_t Place(int slot, std::size_t sample) const { return Index(slot * buffers_.group) + sample; }
  bool IsPlane() const;
  void LayOutSample(int digit, int slot, std::size_t sample);
  std::span<const std::uint8_t> BytesOf(std::size_t sample) const;
  template <typename T>
  std::span<const std::int32_t> Gather(std::span<const T> counts);
  std::span<const std::int32_t> Lift(std::span<const std::int32_t> cells);
  template <typename T>
  void Copy(int digit, int slot, std::size_t sample, std::span<const T> cells);

  const CpuRun& run_;
  const Term& term_;
  const VectorTerm& packed_;
  ClosedScratch::Sent* const sent_;
  const std::span<const ClosedSample> samples_;
  ClosedScratch& buffers_;
  const int bits_ = DigitBits();
  const bool lifted_;
  std::int64_t most_ = 0;  // in magnitude, of cells of samples that fit
  int digits_ = 1;
  bool aliased_ = false;  // the counts lie as the product reads them
};

}  // namespace spikeserve::engine
