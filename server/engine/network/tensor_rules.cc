#include "server/engine/network/tensor_rules.h"

#include <cmath>
#include <cstring>
#include <string>

#include "server/engine/network/names.h"
#include "server/engine/network/network.h"

namespace spikeserve::engine {
namespace {

constexpr std::size_t kMaxTensorRank = 5;

template <typename T>
bool AllFinite(const std::string& data) {
  for (std::size_t at = 0; at + sizeof(T) <= data.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, data.data() + at, sizeof(T));
    if (!std::isfinite(value)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool CheckTensor(const TensorDefinition& tensor, Violations& violations) {
  const std::string where = "tensor " + Quote(tensor.id) + ": ";
  const std::int64_t count = ElementCount(tensor.shape);
  if (tensor.shape.empty() || tensor.shape.size() > kMaxTensorRank || count < 1) {
    violations.Add(where, "shape is ", ToString(tensor.shape), ", wanted rank 1..", kMaxTensorRank,
                   ", dimensions >= 1 and a product below 2^63");
    return false;
  }
  const bool float64 = tensor.type == DataType::kFloat64;
  if (!float64 && tensor.type != DataType::kFloat32) {
    violations.Add(where, "data_type must be FLOAT32 or FLOAT64");
    return false;
  }
  const auto bytes = static_cast<std::int64_t>(tensor.data.size());
  if (count != bytes / SizeOf(tensor.type) || bytes % SizeOf(tensor.type) != 0) {
    violations.Add(where, "has ", bytes, " bytes, wanted ", SizeOf(tensor.type), " for each of ", count,
                   " values of shape ", ToString(tensor.shape));
    return false;
  }
  if (!(float64 ? AllFinite<double>(tensor.data) : AllFinite<float>(tensor.data))) {
    violations.Add(where, "has values that are NaN or infinite");
    return false;
  }
  return true;
}

}  // namespace spikeserve::engine
