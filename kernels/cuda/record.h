#pragma once

#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/math/annotations.h"

// What a probe of a request sees at every step of a chunk; the host makes of it what the request wants.
namespace spikeserve::cuda {

// out[sample][step][j]: a count times a factor, a float, or, with a bias, (sum + bias) / unit: a current.
struct Record {
  std::int64_t samples = 0, steps = 0, size = 0;
  Cells source;  // [samples][steps][stride]
  float factor = 1;
  const float* bias = nullptr;  // [size], or null
  float unit = 1;
  float* out = nullptr;  // [samples][steps][size]
};

constexpr std::int64_t Threads(const Record& record) { return record.samples * record.steps * record.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const Record& record, std::int64_t thread) {
  const std::int64_t row = thread / record.size;
  const std::int64_t j = thread % record.size;
  const float value = LoadValue(record.source, row * record.source.stride + j, record.factor);
  record.out[thread] = record.bias == nullptr ? value : (value + record.bias[j]) / record.unit;
}

}  // namespace spikeserve::cuda
