#pragma once

#include <cstdint>
#include <span>

#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// What else a classification answers beside class and margin.
struct ClassificationOptions {
  std::int64_t top_k = 0;
  bool scores = false;
};

// Classes of outputs [samples, size], size >= 1; `options.top_k` is at most `size`. `type` is that of the
// scores: FLOAT32 or FLOAT64.
v1::Classification Classify(std::span<const double> outputs, std::int64_t size,
                            const ClassificationOptions& options, v1::DataType type);

// `values` as little-endian bytes of `type`.
std::string Pack(std::span<const double> values, v1::DataType type);

}  // namespace spikeserve::rpc
