#include "server/rest/translate/tensor_bytes.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "server/base/quote.h"

namespace spikeserve::rest {
namespace {

std::string Shown(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

Status Refuse(const std::string& what, std::size_t index, double value, std::string_view wanted) {
  return InvalidArgument(what + ": element " + std::to_string(index) + " is " + Shown(value) + ", wanted " +
                         std::string(wanted));
}

template <typename T, typename Fits>
Result<std::string> Convert(std::span<const double> numbers, const std::string& what, std::string_view wanted,
                            Fits fits) {
  std::string bytes(numbers.size() * sizeof(T), '\0');
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!fits(numbers[i])) {
      return Refuse(what, i, numbers[i], wanted);
    }
    const auto value = static_cast<T>(numbers[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

}  // namespace

Result<std::string> ToTensorBytes(std::string_view datatype, std::span<const double> numbers,
                                  const std::string& what) {
  if (datatype == "FP32") {
    return Convert<float>(numbers, what, "a number that float32 holds",
                          [](double value) { return std::isfinite(static_cast<float>(value)); });
  }
  if (datatype == "FP64") {
    return Convert<double>(numbers, what, "a number", [](double value) { return std::isfinite(value); });
  }
  if (datatype == "UINT8") {
    return Convert<std::uint8_t>(numbers, what, "a whole number of 0 to 255", [](double value) {
      return value >= 0.0 && value <= std::numeric_limits<std::uint8_t>::max() && std::floor(value) == value;
    });
  }
  return InvalidArgument(what + ": datatype is " + Quote(datatype) + ", wanted FP32, FP64 or UINT8");
}

}  // namespace spikeserve::rest
