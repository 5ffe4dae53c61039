#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"

namespace spikeserve::rest {

using OutputTensor = inference::ModelInferResponse::InferOutputTensor;

// The elements of a tensor, each as JSON, one after another: Append(json) writes the next. Reads `raw` where
// it lies.
class TensorElements {
 public:
  // INTERNAL where the datatype has no JSON, or `raw` has not as many elements as the shape.
  static Result<TensorElements> Of(const OutputTensor& tensor, std::string_view raw);

  std::int64_t count() const { return count_; }
  void Append(std::string& json);

 private:
  using AppendElement = void (*)(std::string& json, std::string_view& raw);
  TensorElements(AppendElement append, std::string_view raw, std::int64_t count)
      : append_(append), raw_(raw), count_(count) {}

  AppendElement append_;
  std::string_view raw_;  // what was not written yet
  std::int64_t count_;
};

// Upper bound of the bytes of a tensor as JSON, nested or not.
std::int64_t TensorJsonBytes(const OutputTensor& tensor, std::string_view raw);

}  // namespace spikeserve::rest
