#include "server/engine/network/network.h"

#include <bit>
#include <cstring>

namespace spikeserve::engine {

static_assert(std::endian::native == std::endian::little, "tensors are read in place");

std::int64_t ElementCount(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(count, dimension, &count)) {
      return -1;
    }
  }
  return count;
}

std::string ToString(const Shape& shape) {
  std::string text;
  for (const std::int64_t dimension : shape) {
    text += (text.empty() ? "" : "x") + std::to_string(dimension);
  }
  return text.empty() ? "scalar" : text;
}

std::int64_t Network::size(std::int64_t index) const { return ElementCount(shape(index)); }

std::int64_t Network::bytes() const {
  constexpr std::int64_t kPerObject = 512;  // an operation with its shapes, or a connection with its names
  auto bytes =
      kPerObject * static_cast<std::int64_t>(definition_.operations.size() + definition_.connections.size() +
                                             definition_.probes.size() + definition_.tensors.size());
  for (const TensorDefinition& tensor : definition_.tensors) {
    bytes += static_cast<std::int64_t>(tensor.data.size());
  }
  return bytes;
}

std::int64_t Network::Find(const std::string& name) const {
  for (std::size_t i = 0; i < definition_.operations.size(); ++i) {
    if (definition_.operations[i].name == name) {
      return static_cast<std::int64_t>(i);
    }
  }
  return -1;
}

const TensorDefinition& Network::tensor(const std::string& id) const {
  return definition_.tensors[tensor_index_.at(id)];
}

std::vector<double> Network::Values(const std::string& id) const {
  const TensorDefinition& tensor = this->tensor(id);
  std::vector<double> values(static_cast<std::size_t>(ElementCount(tensor.shape)));
  const char* data = tensor.data.data();
  for (double& value : values) {
    if (tensor.type == DataType::kFloat64) {
      std::memcpy(&value, data, sizeof(double));
      data += sizeof(double);
    } else {
      float narrow = 0;
      std::memcpy(&narrow, data, sizeof(float));
      data += sizeof(float);
      value = narrow;
    }
  }
  return values;
}

std::vector<double> Network::Expand(const Parameter& parameter, std::int64_t index, double absent) const {
  const auto count = static_cast<std::size_t>(size(index));
  if (const double* scalar = std::get_if<double>(&parameter)) {
    return std::vector<double>(count, *scalar);
  }
  if (const std::string* id = std::get_if<std::string>(&parameter)) {
    const std::vector<double> values = Values(*id);
    std::vector<double> expanded(count);
    for (std::size_t i = 0; i < count; ++i) {
      expanded[i] = values[i % values.size()];  // per element, or per index of the last axis
    }
    return expanded;
  }
  return std::vector<double>(count, absent);
}

}  // namespace spikeserve::engine
