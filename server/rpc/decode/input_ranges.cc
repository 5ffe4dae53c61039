#include "server/rpc/decode/input_ranges.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
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
// How many values are looked at, unless these are all small: a look costs a request next to nothing.
constexpr std::size_t kLooked = 8192;

template <typename T>
T ValueAt(const std::string& data, std::size_t i) {
  T value;
  std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
  return value;
}

// The largest magnitude of finite numbers, by their bits: integers, unlike floats, have a maximum in vectors.
template <typename T>
double LargestMagnitude(const std::string& data, std::size_t begin, std::size_t end) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr Bits kMagnitude = std::numeric_limits<Bits>::max();
  Bits largest = 0;
  for (std::size_t i = begin; i < end; ++i) {
    largest = std::max<Bits>(largest, ValueAt<Bits>(data, i) & kMagnitude);
  }
  return static_cast<double>(std::bit_cast<T>(largest));
}

template <typename T>
double MeanMagnitude(const std::string& data, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) {
    sum += std::abs(static_cast<double>(ValueAt<T>(data, i)));
  }
  return sum / static_cast<double>(std::max<std::size_t>(end - begin, 1));
}

// Magnitudes of the elements of an array, as the network takes its values.
class Magnitudes {
 public:
  Magnitudes(const v1::Array& array, const engine::InputOperation& input) : array_(array), input_(input) {}

  std::size_t count() const {
    const std::size_t bytes = array_.data().size();
    return array_.data_type() == v1::DATA_TYPE_FLOAT32   ? bytes / sizeof(float)
           : array_.data_type() == v1::DATA_TYPE_FLOAT64 ? bytes / sizeof(double)
                                                         : bytes;
  }

  double Largest(std::size_t begin, std::size_t end) const {
    switch (array_.data_type()) {
      case v1::DATA_TYPE_FLOAT32: return LargestMagnitude<float>(array_.data(), begin, end);
      case v1::DATA_TYPE_FLOAT64: return LargestMagnitude<double>(array_.data(), begin, end);
      default: {
        const auto [least, most] = std::minmax_element(Bytes() + begin, Bytes() + end);
        return begin == end ? 0 : std::max(OfByte(*least), OfByte(*most));
      }
    }
  }

  double Mean(std::size_t begin, std::size_t end) const {
    switch (array_.data_type()) {
      case v1::DATA_TYPE_FLOAT32: return MeanMagnitude<float>(array_.data(), begin, end);
      case v1::DATA_TYPE_FLOAT64: return MeanMagnitude<double>(array_.data(), begin, end);
      default: {
        double sum = 0;
        for (std::size_t i = begin; i < end; ++i) {
          sum += OfByte(Bytes()[i]);
        }
        return sum / static_cast<double>(std::max<std::size_t>(end - begin, 1));
      }
    }
  }

 private:
  const unsigned char* Bytes() const { return reinterpret_cast<const unsigned char*>(array_.data().data()); }
  double OfByte(unsigned char byte) const {
    return std::abs(input_.uint8_scale.value_or(1) * byte + input_.uint8_offset.value_or(0));
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
  const std::size_t head = std::min(got.count(), kLooked);
  const double small = magnitude / kBelow;
  double largest = got.Largest(0, head);
  for (std::size_t begin = head; largest < small && begin < got.count(); begin += kLooked) {
    largest = std::max(largest, got.Largest(begin, std::min(begin + kLooked, got.count())));
  }
  if (largest > 0 && largest < small) {
    return Join(
        "input ", Quote(name), ": no value is beyond ", largest, ", but ", Calibrated(range),
        ": few neurons will spike, and the outputs will say little; send the inputs on that scale, or "
        "convert again with samples such as these as sample_data");
  }
  // Values that vary in time may be spikes, of which each is large and the mean is not.
  if (held && largest > kAbove * magnitude && got.Mean(0, head) > kMeanAbove * range.mean_magnitude) {
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
