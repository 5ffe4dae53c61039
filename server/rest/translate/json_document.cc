#include "server/rest/translate/json_document.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "server/base/quote.h"

namespace spikeserve::rest {
namespace {

// A value with its name, in a vector that doubles as it grows, and what allocations cost.
constexpr std::int64_t kValueBytes = 256;

// A list of numbers while it is read: how many elements each open list has, and how many those that were
// closed had.
struct OpenNumbers {
  NumberList list;
  std::vector<std::int64_t> counts;
  std::vector<std::int64_t> sizes;  // -1: not known yet
  std::size_t depth = 0;
};

// An object or list that is not closed yet.
struct Frame {
  JsonValue value;
  std::string key;  // of the member that is being read
};

// Takes the events of nlohmann's parser, which does not recurse. Each returns whether to go on.
class Builder {
 public:
  explicit Builder(std::size_t numbers) { document_.numbers.reserve(numbers); }

  bool null() { return Add(JsonValue{}); }
  bool boolean(bool value) { return Add(JsonValue{value}); }
  bool number_integer(std::int64_t value) { return Number(value); }
  bool number_unsigned(std::uint64_t value) { return Number(value); }
  bool number_float(double value, const std::string& /*text*/) { return Number(value); }
  bool string(std::string& value) { return Add(JsonValue{std::move(value)}); }
  bool binary(nlohmann::json::binary_t& /*value*/) { return false; }  // JSON has none

  bool start_object(std::size_t /*size*/) { return Open(JsonValue{JsonObject()}); }
  bool key(std::string& name);
  bool end_object() { return Close(); }
  bool start_array(std::size_t /*size*/);
  bool end_array();

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error);

  const std::string& error() const { return error_; }
  JsonDocument& document() { return document_; }

 private:
  template <typename T>
  bool Number(T value);
  bool AddNumber(double value);
  void BeginNumbers();
  bool Add(JsonValue value);
  bool Open(JsonValue value);
  bool Close();
  bool Fail(const std::string& message);
  std::string Where() const;
  JsonList* TopList() {
    return frames_.empty() ? nullptr : std::get_if<JsonList>(&frames_.back().value.value);
  }

  JsonDocument document_;
  std::vector<Frame> frames_;
  std::optional<OpenNumbers> numbers_;
  std::size_t values_ = 0;
  std::string error_;
};

template <typename T>
bool Builder::Number(T value) {
  if (numbers_) {
    return AddNumber(static_cast<double>(value));
  }
  if (const JsonList* list = TopList(); list != nullptr && list->empty()) {
    BeginNumbers();
    return AddNumber(static_cast<double>(value));
  }
  if constexpr (std::is_same_v<T, std::uint64_t>) {
    if (value <= static_cast<std::uint64_t>(INT64_MAX)) {
      return Add(JsonValue{static_cast<std::int64_t>(value)});
    }
  }
  return Add(JsonValue{value});
}

// The lists that are open and still empty turn out to be of numbers.
void Builder::BeginNumbers() {
  OpenNumbers open;
  while (TopList() != nullptr && TopList()->empty()) {
    frames_.pop_back();
    ++open.depth;
  }
  open.list.begin = document_.numbers.size();
  open.counts.assign(open.depth, 0);
  open.sizes.assign(open.depth, -1);
  numbers_ = std::move(open);
}

bool Builder::AddNumber(double value) {
  if (numbers_->depth != numbers_->counts.size()) {
    return Fail("numbers and lists in one list");
  }
  document_.numbers.push_back(value);
  ++numbers_->counts.back();
  return true;
}

bool Builder::start_array(std::size_t /*size*/) {
  if (!numbers_) {
    return Open(JsonValue{JsonList()});
  }
  if (numbers_->depth == numbers_->counts.size()) {
    return Fail("numbers and lists in one list");
  }
  ++numbers_->depth;
  return true;
}

bool Builder::end_array() {
  if (!numbers_) {
    return Close();
  }
  const std::size_t level = --numbers_->depth;
  std::int64_t& count = numbers_->counts[level];
  std::int64_t& size = numbers_->sizes[level];
  if (size >= 0 && size != count) {
    return Fail("lists of " + std::to_string(size) + " and of " + std::to_string(count) +
                " elements in one list");
  }
  size = std::exchange(count, 0);
  if (level > 0) {
    ++numbers_->counts[level - 1];
    return true;
  }
  NumberList list = std::move(numbers_->list);
  list.end = document_.numbers.size();
  list.shape = std::move(numbers_->sizes);
  numbers_.reset();
  return Add(JsonValue{std::move(list)});
}

bool Builder::key(std::string& name) {
  Frame& frame = frames_.back();
  const auto& object = std::get<JsonObject>(frame.value.value);
  if (object.size() >= kMaxJsonMembers) {
    return Fail("more than " + std::to_string(kMaxJsonMembers) + " members");
  }
  const bool twice = std::any_of(object.begin(), object.end(),
                                 [&](const JsonMember& member) { return member.name == name; });
  if (twice) {
    return Fail("member " + Quote(name) + " comes twice");
  }
  frame.key = std::move(name);
  return true;
}

bool Builder::Open(JsonValue value) {
  if (numbers_) {
    return Fail("numbers and other things in one list");
  }
  if (frames_.size() >= kMaxJsonDepth) {
    return Fail("nested deeper than " + std::to_string(kMaxJsonDepth));
  }
  frames_.push_back({std::move(value), {}});
  return true;
}

bool Builder::Close() {
  JsonValue value = std::move(frames_.back().value);
  frames_.pop_back();
  if (const auto* list = std::get_if<JsonList>(&value.value); list != nullptr && list->empty()) {
    const std::size_t at = document_.numbers.size();
    value.value = NumberList{at, at, {0}};
  }
  return Add(std::move(value));
}

bool Builder::Add(JsonValue value) {
  if (numbers_) {
    return Fail("numbers and " + std::string(KindOf(value)) + " in one list");
  }
  if (++values_ > kMaxJsonValues) {
    return Fail("more than " + std::to_string(kMaxJsonValues) + " values beside lists of numbers");
  }
  if (frames_.empty()) {
    document_.root = std::move(value);
    return true;
  }
  Frame& frame = frames_.back();
  if (auto* object = std::get_if<JsonObject>(&frame.value.value)) {
    object->push_back({std::move(frame.key), std::move(value)});
    return true;
  }
  std::get<JsonList>(frame.value.value).push_back(std::move(value));
  return true;
}

bool Builder::Fail(const std::string& message) {
  error_ = Where() + message;
  return false;
}

// "inputs[0].data: ", as far as it is known.
std::string Builder::Where() const {
  std::string where;
  for (const Frame& frame : frames_) {
    if (const auto* list = std::get_if<JsonList>(&frame.value.value)) {
      where += "[" + std::to_string(list->size()) + "]";
    } else if (!frame.key.empty()) {
      where += (where.empty() ? "" : ".") + frame.key.substr(0, kMaxQuotedBytes);
    }
  }
  return where.empty() ? where : where + ": ";
}

bool Builder::parse_error(std::size_t position, const std::string& /*token*/,
                          const nlohmann::json::exception& error) {
  const std::string text = error.what();  // "[json.exception...] parse error at ...: what", cut and made safe
  const std::size_t what = text.find("] ");
  error_ = "no JSON at byte " + std::to_string(position) + ": " +
           Quote(what == std::string::npos ? text : text.substr(what + 2), '\'');
  return false;
}

}  // namespace

std::int64_t JsonBytes(std::string_view text) {
  std::array<std::int64_t, 256> counts{};
  for (const char c : text) {
    ++counts[static_cast<unsigned char>(c)];
  }
  const std::int64_t values =
      std::min<std::int64_t>(counts[':'] + counts['{'] + counts['['] + counts['"'] + 1, kMaxJsonValues);
  return (counts[','] + 1) * static_cast<std::int64_t>(sizeof(double)) + values * kValueBytes +
         static_cast<std::int64_t>(text.size());
}

Result<JsonDocument> ParseJson(std::string_view text) {
  Builder builder(static_cast<std::size_t>(std::count(text.begin(), text.end(), ',')) + 1);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
    return InvalidArgument("the body: " + builder.error());
  }
  return std::move(builder.document());
}

std::string_view KindOf(const JsonValue& value) {
  static constexpr std::array<std::string_view, 9> kKinds = {
      "null",     "a boolean",         "a number", "a number", "a number",
      "a string", "a list of numbers", "a list",   "an object"};
  return kKinds[value.value.index()];
}

const JsonValue* FindMember(const JsonObject& object, std::string_view name) {
  const auto found = std::find_if(object.begin(), object.end(),
                                  [&](const JsonMember& member) { return member.name == name; });
  return found == object.end() || found->value.null() ? nullptr : &found->value;
}

}  // namespace spikeserve::rest
