#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::rest {

// A list of numbers, or of equally long lists of them. The numbers lie in JsonDocument::numbers.
struct NumberList {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::vector<std::int64_t> shape;  // sizes of the lists, from the outside in
};

struct JsonValue;
struct JsonMember;
using JsonList = std::vector<JsonValue>;
using JsonObject = std::vector<JsonMember>;

// One value of a document. An empty list is a NumberList.
struct JsonValue {
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, NumberList, JsonList,
               JsonObject>
      value;

  bool null() const { return std::holds_alternative<std::monostate>(value); }
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

// A parsed text in which numbers of lists take eight bytes each, however they are nested: tensors come as
// lists, and a tree would take many times what the text does. Immutable.
struct JsonDocument {
  JsonValue root;
  std::vector<double> numbers;
};

// More is not a request but an attack, or a mistake.
inline constexpr std::size_t kMaxJsonDepth = 32;
inline constexpr std::size_t kMaxJsonValues = 32'768;  // numbers in lists apart
inline constexpr std::size_t kMaxJsonMembers = 1'024;  // of one object

// Upper bound of the memory, in bytes, that a document made of `text` takes beside it. Allocates nothing.
std::int64_t JsonBytes(std::string_view text);

// INVALID_ARGUMENT, with the place, where `text` is no JSON (UTF-8, RFC 8259), names a member twice, is
// nested or long beyond the limits above, has a number that no float64 holds, or a list that mixes numbers
// with other things or nests lists of different lengths.
Result<JsonDocument> ParseJson(std::string_view text);

// What a value is, for messages: "a string", "a number", ...
std::string_view KindOf(const JsonValue& value);

// The member of an object; null where there is none, or where it is null.
const JsonValue* FindMember(const JsonObject& object, std::string_view name);

}  // namespace spikeserve::rest
