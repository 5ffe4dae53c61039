#include "server/rest/translate/encode_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "server/base/quote.h"
#include "server/rest/translate/json_text.h"

namespace spikeserve::rest {
namespace {

// The longest number as text, with a comma: -2.2250738585072014e-308.
constexpr std::int64_t kNumberBytes = 26;
// An escaped character: \u001f.
constexpr std::int64_t kEscapedBytes = 6;

template <typename T>
void AppendOne(std::string& json, std::string_view& raw) {
  T value;
  std::memcpy(&value, raw.data(), sizeof value);
  raw.remove_prefix(sizeof value);
  if constexpr (std::is_floating_point_v<T>) {
    AppendNumber(json, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    json += value ? "true" : "false";
  } else {
    json += std::to_string(value);
  }
}

// Four bytes of length, then the text. Counted before, so that all are there.
std::string_view TakeText(std::string_view& raw) {
  std::uint32_t length = 0;
  std::memcpy(&length, raw.data(), sizeof length);
  const std::string_view text = raw.substr(sizeof length, length);
  raw.remove_prefix(sizeof length + text.size());
  return text;
}

void AppendOneText(std::string& json, std::string_view& raw) { AppendText(json, TakeText(raw)); }

// Texts in `raw`; -1 where the last is cut off.
std::int64_t CountTexts(std::string_view raw) {
  std::int64_t count = 0;
  while (!raw.empty()) {
    std::uint32_t length = 0;
    if (raw.size() < sizeof length) {
      return -1;
    }
    std::memcpy(&length, raw.data(), sizeof length);
    if (raw.size() - sizeof length < length) {
      return -1;
    }
    raw.remove_prefix(sizeof length + length);
    ++count;
  }
  return count;
}

struct Type {
  std::string_view name;
  std::size_t bytes;  // 0: texts of any length
  void (*append)(std::string& json, std::string_view& raw);
};

constexpr std::array<Type, 12> kTypes = {{{"FP32", 4, AppendOne<float>},
                                          {"FP64", 8, AppendOne<double>},
                                          {"INT8", 1, AppendOne<std::int8_t>},
                                          {"INT16", 2, AppendOne<std::int16_t>},
                                          {"INT32", 4, AppendOne<std::int32_t>},
                                          {"INT64", 8, AppendOne<std::int64_t>},
                                          {"UINT8", 1, AppendOne<std::uint8_t>},
                                          {"UINT16", 2, AppendOne<std::uint16_t>},
                                          {"UINT32", 4, AppendOne<std::uint32_t>},
                                          {"UINT64", 8, AppendOne<std::uint64_t>},
                                          {"BOOL", 1, AppendOne<bool>},
                                          {"BYTES", 0, AppendOneText}}};

const Type* FindType(std::string_view name) {
  const auto* const found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& type) { return type.name == name; });
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace

Result<TensorElements> TensorElements::Of(const OutputTensor& tensor, std::string_view raw) {
  const Type* type = FindType(tensor.datatype());
  if (type == nullptr) {
    return Internal("output " + Quote(tensor.name()) + ": datatype " + Quote(tensor.datatype()) +
                    " has no JSON: ask for it with binary_data");
  }
  std::int64_t elements = 1;
  bool fits = true;
  for (const std::int64_t size : tensor.shape()) {
    fits = fits && size >= 0 && !__builtin_mul_overflow(elements, size, &elements);
  }
  const std::int64_t count =
      type->bytes == 0 ? CountTexts(raw) : static_cast<std::int64_t>(raw.size() / type->bytes);
  if (!fits || count != elements || (type->bytes != 0 && raw.size() % type->bytes != 0)) {
    return Internal("output " + Quote(tensor.name()) + ": " + std::to_string(raw.size()) +
                    " bytes are not what its shape says");
  }
  return TensorElements(type->append, raw, count);
}

void TensorElements::Append(std::string& json) { append_(json, raw_); }

std::int64_t TensorJsonBytes(const OutputTensor& tensor, std::string_view raw) {
  const Type* type = FindType(tensor.datatype());
  const auto bytes = static_cast<std::int64_t>(raw.size());
  const std::int64_t brackets = 2 * (tensor.shape_size() + 1);
  if (type == nullptr || type->bytes == 0) {
    return bytes * (kEscapedBytes + brackets);
  }
  return bytes / static_cast<std::int64_t>(type->bytes) * (kNumberBytes + brackets);
}

}  // namespace spikeserve::rest
