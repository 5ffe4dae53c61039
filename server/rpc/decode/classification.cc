#include "server/rpc/decode/classification.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace spikeserve::rpc {
namespace {

void AddClass(std::span<const double> outputs, v1::Classification& classification) {
  const auto best = std::max_element(outputs.begin(), outputs.end());  // the first of equals
  double second = -std::numeric_limits<double>::infinity();
  for (auto it = outputs.begin(); it != outputs.end(); ++it) {
    if (it != best) {
      second = std::max(second, *it);
    }
  }
  classification.add_classes(best - outputs.begin());
  classification.add_margins(*best - second);
}

void AddTopK(std::span<const double> outputs, std::int64_t k, v1::Classification& classification) {
  std::vector<std::int64_t> order(outputs.size());
  std::iota(order.begin(), order.end(), 0);
  const auto value = [&](std::int64_t i) { return outputs[static_cast<std::size_t>(i)]; };
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](std::int64_t a, std::int64_t b) {
    return value(a) != value(b) ? value(a) > value(b) : a < b;
  });
  v1::TopK& top = *classification.add_top_k();
  for (std::int64_t i = 0; i < k; ++i) {
    top.add_classes(order[static_cast<std::size_t>(i)]);
    top.add_values(value(order[static_cast<std::size_t>(i)]));
  }
}

void AppendSoftmax(std::span<const double> outputs, std::vector<double>& scores) {
  const double largest = *std::max_element(outputs.begin(), outputs.end());
  const std::size_t first = scores.size();
  double sum = 0;
  for (const double output : outputs) {
    scores.push_back(std::exp(output - largest));
    sum += scores.back();
  }
  for (std::size_t i = first; i < scores.size(); ++i) {
    scores[i] /= sum;
  }
}

}  // namespace

std::string Pack(std::span<const double> values, v1::DataType type) {
  std::string bytes;
  if (type == v1::DATA_TYPE_FLOAT64) {
    bytes.assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    return bytes;
  }
  bytes.resize(values.size() * sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<float>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
  }
  return bytes;
}

v1::Classification Classify(std::span<const double> outputs, std::int64_t size,
                            const ClassificationOptions& options, v1::DataType type) {
  v1::Classification classification;
  std::vector<double> scores;
  const auto width = static_cast<std::size_t>(size);
  for (std::size_t at = 0; at < outputs.size(); at += width) {
    const std::span<const double> sample = outputs.subspan(at, width);
    AddClass(sample, classification);
    if (options.top_k > 0) {
      AddTopK(sample, options.top_k, classification);
    }
    if (options.scores) {
      AppendSoftmax(sample, scores);
    }
  }
  if (!options.scores) {
    return classification;
  }
  v1::Array& array = *classification.mutable_scores();
  array.set_data_type(type);
  array.add_shape(static_cast<std::int64_t>(scores.size() / width));
  array.add_shape(size);
  *array.mutable_data() = Pack(scores, type);
  return classification;
}

}  // namespace spikeserve::rpc
