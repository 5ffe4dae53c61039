#pragma once

#include "kernels/math/annotations.h"
#include "kernels/math/elementary.h"

// Output nonlinearities in float32, in one fixed order of operations.
namespace spikeserve::math {

SPIKESERVE_HOST_DEVICE float LeakyRelu(float x, float negative_slope) {
  return x > 0.0F ? x : negative_slope * x;
}

// exp(x_i - max) / sum, over n contiguous values, in place.
SPIKESERVE_HOST_DEVICE void Softmax(float* values, long long n) {
  float largest = values[0];
  for (long long i = 1; i < n; ++i) {
    largest = values[i] > largest ? values[i] : largest;
  }
  float sum = 0.0F;
  for (long long i = 0; i < n; ++i) {
    values[i] = 1.0F + Expm1(values[i] - largest);
    sum = sum + values[i];
  }
  for (long long i = 0; i < n; ++i) {
    values[i] = values[i] / sum;
  }
}

}  // namespace spikeserve::math
