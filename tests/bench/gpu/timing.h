#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/runtime/handles.h"

namespace spikeserve::bench {

inline void CheckCublas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw std::runtime_error(std::string(what) + ": cuBLAS status " +
                             std::to_string(static_cast<int>(status)));
  }
}

// Median seconds of body(), which issues work on `stream`. Warm; each time by events.
template <typename Body>
double MedianSeconds(cudaStream_t stream, int repetitions, Body body) {
  const cuda::Event begin = cuda::MakeEvent(true);
  const cuda::Event end = cuda::MakeEvent(true);
  std::vector<float> times;
  for (int i = 0; i < repetitions + 2; ++i) {
    cuda::CheckCuda(cudaEventRecord(begin.get(), stream), "record event");
    body();
    cuda::CheckCuda(cudaEventRecord(end.get(), stream), "record event");
    cuda::CheckCuda(cudaEventSynchronize(end.get()), "wait for event");
    float milliseconds = 0;
    cuda::CheckCuda(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), "read time");
    if (i >= 2) {
      times.push_back(milliseconds);
    }
  }
  std::nth_element(times.begin(), times.begin() + repetitions / 2, times.end());
  return 1e-3 * static_cast<double>(times[static_cast<std::size_t>(repetitions / 2)]);
}

}  // namespace spikeserve::bench
