#include "server/engine/run/input_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace spikeserve::engine {
namespace {

template <typename T>
void Convert(const std::byte* data, std::span<float> values) {
  for (std::size_t j = 0; j < values.size(); ++j) {
    T value;
    std::memcpy(&value, data + j * sizeof(T), sizeof(T));
    values[j] = static_cast<float>(value);
  }
}

}  // namespace

void ReadInput(const InputOperation& input, DataType type, const std::byte* data, std::int64_t first,
               std::span<float> values) {
  data += first * SizeOf(type);
  switch (type) {
    case DataType::kUint8: {
      Convert<std::uint8_t>(data, values);
      const auto scale = static_cast<float>(input.uint8_scale.value_or(1));
      const auto offset = static_cast<float>(input.uint8_offset.value_or(0));
      std::transform(values.begin(), values.end(), values.begin(),
                     [=](float value) { return std::fma(value, scale, offset); });
      return;
    }
    case DataType::kFloat64: Convert<double>(data, values); return;
    case DataType::kFloat32:
    case DataType::kUnspecified: std::memcpy(values.data(), data, values.size_bytes()); return;
  }
}

}  // namespace spikeserve::engine
