#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/direct_product.h"
#include "kernels/cuda/runtime/device.h"
#include "server/engine/plan/plan.h"

namespace spikeserve::engine {

// The weights of one term, in device memory, in every form that its paths need.
struct CudaTerm {
  cuda::ProductShape shape = cuda::ProductShape::kDense;
  std::int64_t in = 0, out = 0;
  cuda::ConvMap conv;
  const std::int32_t* integers = nullptr;
  const float* floats = nullptr;
  const std::int64_t* sparse_start = nullptr;
  const std::int32_t* sparse_cell = nullptr;
  const std::int64_t* gather_start = nullptr;  // null: cells are the source elements
  const std::int32_t* gather_index = nullptr;
  std::int64_t gather_most = 1;
  double max_row_sum = 0;

  // Digits for tensor cores; null where the term goes another way.
  const cuda::Half* digits = nullptr;
  int digit_count = 2;
  std::int64_t depth = 0, width = 0;  // of the matrix, padded
  // Source counts up to this keep the sums of digits exact, and cells in float16.
  std::int32_t digit_limit = 0;
  // Signed digits of 8 bits, of layers with memory; null where the term goes another way.
  const std::int8_t* bytes = nullptr;
  int byte_digits = 1;
  std::int64_t byte_depth = 0, byte_width = 0;  // of the matrix, padded
  // Source counts above this may pass the range in which the integer sum is exact.
  std::int32_t fail_above = 0;
};

// Whether the largest cell times weights still sums exactly: the rule of IntegerCurrent.
bool SumsAreExact(std::int64_t largest, std::int64_t gather_most, double max_row_sum);
// The largest count for which it does, at most 2^24.
std::int32_t LargestExactCount(std::int64_t gather_most, double max_row_sum);

// All weights of a plan on a device. Immutable after construction, hence thread-safe.
class CudaWeights {
 public:
  // Packs and uploads. Throws cuda::DeviceError. `device` and `plan` outlive the weights.
  CudaWeights(cuda::Device& device, const Plan& plan);
  // As large as those and laid out alike, without a device: what is null in those is null, all other pointers
  // point nowhere. For sizes.
  explicit CudaWeights(const Plan& plan);

  const CudaTerm& term(std::size_t layer, std::size_t index) const { return terms_[layer][index]; }
  // How many weights each element of a spiking population reaches, on the device.
  const std::int64_t* fan_out(std::int64_t population) const {
    return fan_out_[static_cast<std::size_t>(population)];
  }
  // Bytes on the device.
  std::int64_t bytes() const { return bytes_; }

  // Exactly bytes(), before anything is allocated.
  static std::int64_t CountBytes(const Plan& plan);

 private:
  std::vector<std::vector<CudaTerm>> terms_;
  std::vector<const std::int64_t*> fan_out_;
  cuda::Memory memory_;
  std::int64_t bytes_ = 0;
};

}  // namespace spikeserve::engine
