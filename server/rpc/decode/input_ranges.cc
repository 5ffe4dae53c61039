#include "server/rpc/decode/input_ranges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

#include "server/base/quote.h"
#include "server/engine/network/violations.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// Bytes and the same numbers from 0 to 1 are 255 apart. Other batches of the same kind differ by less: a dark
// image has some grey, and an outlier is one value of many.
constexpr double kBelow = 128;
constexpr double kAbove = 32;
constexpr double kMeanAbove = 3;

template <typename T>
T ValueAt(const std::string& data, std::size_t i) {
  T value;
  std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
  return value;
}

// The largest magnitude of finite numbers, by their bits: integers, unlike floats, have a maximum in vectors.
template <typename T>
double LargestMagnitude(const std::string& data) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kMagnitude = ~Bits{0} >> 1U;
  Bits largest = 0;
  for (std::size_t i = 0; i < data.size() / sizeof(T); ++i) {
    largest = std::max<Bits>(largest, ValueAt<Bits>(data, i) & kMagnitude);
  }
  return static_cast<double>(std::bit_cast<T>(largest));
}

template <typename T>
double MeanMagnitude(const std::string& data) {
  const std::size_t count = data.size() / sizeof(T);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += std::abs(static_cast<double>(ValueAt<T>(data, i)));
  }
  return sum / static_cast<double>(std::max<std::size_t>(count, 1));
}

// Magnitudes of an array, as the network takes its values.
class Magnitudes {
 public:
  Magnitudes(const v1::Array& array, const engine::InputOperation& input) : array_(array), input_(input) {}

  double Largest() const {
    switch (array_.data_type()) {
      case v1::DATA_TYPE_FLOAT32: return LargestMagnitude<float>(array_.data());
      case v1::DATA_TYPE_FLOAT64: return LargestMagnitude<double>(array_.data());
      default:
        return OverBytes([](double largest, double value, std::int64_t) { return std::max(largest, value); });
    }
  }

  double Mean() const {
    switch (array_.data_type()) {
      case v1::DATA_TYPE_FLOAT32: return MeanMagnitude<float>(array_.data());
      case v1::DATA_TYPE_FLOAT64: return MeanMagnitude<double>(array_.data());
      default: {
        const auto bytes = static_cast<double>(std::max<std::size_t>(array_.data().size(), 1));
        return OverBytes([bytes](double sum, double value, std::int64_t count) {
          return sum + value * static_cast<double>(count) / bytes;
        });
      }
    }
  }

 private:
  // Folds the magnitudes of the bytes that occur, each with how often it does.
  template <typename Fold>
  double OverBytes(const Fold& fold) const {
    std::array<std::int64_t, 256> counts{};
    for (const char byte : array_.data()) {
      ++counts[static_cast<unsigned char>(byte)];
    }
    double folded = 0;
    for (std::size_t byte = 0; byte < counts.size(); ++byte) {
      if (counts[byte] > 0) {
        const double value = input_.uint8_scale.value_or(1) * static_cast<double>(byte);
        folded = fold(folded, std::abs(value + input_.uint8_offset.value_or(0)), counts[byte]);
      }
    }
    return folded;
  }

  const v1::Array& array_;
  const engine::InputOperation& input_;
};

std::string Calibrated(const serving::InputRange& range) {
  return Join("the network was calibrated on values from ", range.lowest, " to ", range.highest);
}

std::string Warning(const v1::Array& array, const std::string& name, const engine::InputOperation& input,
                    bool held, const serving::InputRange& range) {
  const double magnitude = std::max(std::abs(range.lowest), std::abs(range.highest));
  if (!std::isfinite(magnitude) || magnitude == 0) {
    return {};
  }
  const Magnitudes got(array, input);
  const double largest = got.Largest();
  if (largest > 0 && largest < magnitude / kBelow) {
    return Join(
        "input ", Quote(name), ": no value is beyond ", largest, ", but ", Calibrated(range),
        ": few neurons will spike, and the outputs will say little; send the inputs on that scale, or "
        "convert again with samples such as these as sample_data");
  }
  // Values that vary in time may be spikes, of which each is large and the mean is not.
  if (held && largest > kAbove * magnitude && got.Mean() > kMeanAbove * range.mean_magnitude) {
    return Join("input ", Quote(name), ": values reach ", largest, ", but ", Calibrated(range),
                ": neurons will spike far more often than planned; send the inputs on that scale, or convert "
                "again with samples such as these as sample_data");
  }
  return {};
}

}  // namespace

std::vector<std::string> InputWarnings(const google::protobuf::RepeatedPtrField<v1::Array>& arrays,
                                       const engine::Network& network,
                                       const std::vector<serving::InputRange>& ranges) {
  std::vector<std::string> warnings;
  for (const std::int64_t index : network.inputs()) {
    const auto& operation = network.definition().operations[static_cast<std::size_t>(index)];
    const auto range = std::find_if(ranges.begin(), ranges.end(), [&](const serving::InputRange& item) {
      return item.input == operation.name;
    });
    const auto array = std::find_if(arrays.begin(), arrays.end(), [&](const v1::Array& item) {
      return item.name() == operation.name || arrays.size() == 1;
    });
    if (range == ranges.end() || array == arrays.end()) {
      continue;
    }
    const bool held = array->shape_size() == static_cast<int>(network.shape(index).size()) + 1;
    std::string warning =
        Warning(*array, operation.name, std::get<engine::InputOperation>(operation.kind), held, *range);
    if (!warning.empty()) {
      warnings.push_back(std::move(warning));
    }
  }
  return warnings;
}

bool EqualSamples(const google::protobuf::RepeatedPtrField<v1::Array>& arrays) {
  return std::all_of(arrays.begin(), arrays.end(), [](const v1::Array& array) {
    const std::size_t samples = array.shape_size() > 0 ? static_cast<std::size_t>(array.shape(0)) : 0;
    const std::size_t bytes = samples > 0 ? array.data().size() / samples : 0;
    for (std::size_t sample = 1; sample < samples; ++sample) {
      if (std::memcmp(array.data().data(), array.data().data() + sample * bytes, bytes) != 0) {
        return false;
      }
    }
    return true;
  });
}

}  // namespace spikeserve::rpc
