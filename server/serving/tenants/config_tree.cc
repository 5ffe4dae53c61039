#include "server/serving/tenants/config_tree.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/base/quote.h"

namespace spikeserve::serving {
namespace {

// Counts the lines before the character that was read last: an event comes when its token has been read, and
// after a number one character more.
struct Lines {
  int before = 1;
  bool ended = false;  // by the character that was read last

  void Read(char c) {
    before += ended ? 1 : 0;
    ended = c == '\n';
  }
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Lines* lines) : at_(at), lines_(lines) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    lines_->Read(*at_++);
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Lines* lines_;
};

// Takes the events of nlohmann's parser, which does not recurse. Each returns whether to go on.
class Builder {
 public:
  explicit Builder(const Lines& lines) : lines_(lines) {}

  bool null() { return Add({}); }
  bool boolean(bool value) { return Add(value); }
  bool number_integer(std::int64_t value) { return Add(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) { return Add(static_cast<double>(value)); }
  bool number_float(double value, const std::string& /*text*/) { return Add(value); }
  bool string(std::string& value) { return Add(std::move(value)); }
  bool binary(nlohmann::json::binary_t& /*value*/) { return false; }  // JSON has none

  bool start_object(std::size_t /*size*/) { return Open(ConfigNode::Members()); }
  bool start_array(std::size_t /*size*/) { return Open(ConfigNode::Items()); }
  bool end_object() { return Close(); }
  bool end_array() { return Close(); }
  bool key(std::string& name);

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& error);

  const std::string& error() const { return error_; }
  ConfigNode& root() { return root_; }

 private:
  using Value = decltype(ConfigNode::value);
  struct Frame {
    ConfigNode node;
    std::string key;  // of the member that is being read
  };

  bool Add(Value value) { return Put({lines_.before, std::move(value)}); }
  bool Put(ConfigNode node);
  bool Open(Value value);
  bool Close();
  bool Fail(const std::string& message);

  const Lines& lines_;
  std::vector<Frame> open_;
  ConfigNode root_;
  std::size_t values_ = 0;
  std::string error_;
};

bool Builder::Fail(const std::string& message) {
  error_ = "line " + std::to_string(lines_.before) + ": " + message;
  return false;
}

bool Builder::key(std::string& name) {
  const auto& members = std::get<ConfigNode::Members>(open_.back().node.value);
  const bool twice = std::any_of(members.begin(), members.end(),
                                 [&](const ConfigMember& member) { return member.name == name; });
  if (twice) {
    return Fail(Quote(name) + " comes twice in one object");
  }
  open_.back().key = std::move(name);
  return true;
}

bool Builder::Open(Value value) {
  if (open_.size() >= kMaxConfigDepth) {
    return Fail("nested deeper than " + std::to_string(kMaxConfigDepth));
  }
  open_.push_back({{lines_.before, std::move(value)}, {}});
  return true;
}

bool Builder::Close() {
  ConfigNode node = std::move(open_.back().node);
  open_.pop_back();
  return Put(std::move(node));
}

bool Builder::Put(ConfigNode node) {
  if (++values_ > kMaxConfigValues) {
    return Fail("more than " + std::to_string(kMaxConfigValues) + " values");
  }
  if (open_.empty()) {
    root_ = std::move(node);
    return true;
  }
  Frame& frame = open_.back();
  if (auto* members = std::get_if<ConfigNode::Members>(&frame.node.value)) {
    members->push_back({std::move(frame.key), std::move(node)});
  } else {
    std::get<ConfigNode::Items>(frame.node.value).push_back(std::move(node));
  }
  return true;
}

// "[json.exception...] parse error at line 3, column 5: what", cut and made safe.
bool Builder::parse_error(std::size_t /*position*/, const std::string& /*token*/,
                          const nlohmann::json::exception& error) {
  const std::string text = error.what();
  const std::size_t what = text.find(": ");
  return Fail("no JSON: " + Quote(what == std::string::npos ? text : text.substr(what + 2), '\''));
}

}  // namespace

Result<ConfigNode> ParseConfig(std::string_view text) {
  Lines lines;
  Builder builder(lines);
  const CountingIterator begin(text.data(), &lines);
  const CountingIterator end(text.data() + text.size(), &lines);
  if (!nlohmann::json::sax_parse(begin, end, &builder)) {
    return InvalidArgument(builder.error());
  }
  return std::move(builder.root());
}

std::string_view KindOf(const ConfigNode& node) {
  static constexpr std::array<std::string_view, 6> kKinds = {"null",     "a boolean", "a number",
                                                             "a string", "a list",    "an object"};
  return kKinds[node.value.index()];
}

}  // namespace spikeserve::serving
