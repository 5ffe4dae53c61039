#include "server/serving/tenants/config_reader.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "server/base/quote.h"

namespace spikeserve::serving {
namespace {

constexpr std::size_t kMaxListed = 50;  // a message is for people to read

std::string Short(double value) {
  std::ostringstream text;
  text.precision(15);
  text << value;
  return text.str();
}

std::string Range(double low, double high) { return Short(low) + " to " + Short(high); }

// What stands there, for messages.
std::string Show(const ConfigNode& node) {
  if (const auto* number = std::get_if<double>(&node.value)) {
    return Short(*number);
  }
  return std::string(KindOf(node));
}

}  // namespace

void ConfigProblems::Add(const ConfigNode& node, const std::string& path, const std::string& what) {
  ++count_;
  if (messages_.size() < kMaxListed) {
    messages_.push_back("line " + std::to_string(node.line) + ": " + (path.empty() ? path : path + ": ") +
                        what);
  }
}

Status ConfigProblems::ToStatus() const {
  std::string text = std::to_string(count_) + (count_ == 1 ? " problem:" : " problems:");
  for (const std::string& message : messages_) {
    text += "\n- " + message;
  }
  if (count_ > messages_.size()) {
    text += "\n- and " + std::to_string(count_ - messages_.size()) + " more";
  }
  return InvalidArgument(text);
}

ConfigObject::ConfigObject(const ConfigNode& node, std::string path, ConfigProblems& problems)
    : node_(node), path_(std::move(path)), problems_(problems) {
  if (!std::holds_alternative<ConfigNode::Members>(node.value)) {
    problems_.Add(node, path_, "got " + Show(node) + ", wanted an object");
  }
}

std::string ConfigObject::PathOf(std::string_view name) const {
  return (path_.empty() ? "" : path_ + ".") + std::string(name);
}

const ConfigNode* ConfigObject::Member(std::string_view name, bool required) {
  known_.push_back(name);
  const auto* members = std::get_if<ConfigNode::Members>(&node_.value);
  if (members == nullptr) {
    return nullptr;
  }
  const auto found = std::find_if(members->begin(), members->end(),
                                  [&](const ConfigMember& member) { return member.name == name; });
  if (found != members->end()) {
    return &found->node;
  }
  if (required) {
    problems_.Add(node_, PathOf(name), "got none, wanted one");
  }
  return nullptr;
}

void ConfigObject::Problem(std::string_view name, const std::string& what) {
  const auto& members = std::get<ConfigNode::Members>(node_.value);
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const ConfigMember& member) { return member.name == name; });
  problems_.Add(found == members.end() ? node_ : found->node, PathOf(name), what);
}

const ConfigNode::Items* ConfigObject::List(std::string_view name, bool required) {
  const ConfigNode* node = Member(name, required);
  const auto* items = node == nullptr ? nullptr : std::get_if<ConfigNode::Items>(&node->value);
  if (node != nullptr && items == nullptr) {
    Problem(name, "got " + Show(*node) + ", wanted a list");
  }
  return items;
}

const std::string* ConfigObject::Text(std::string_view name, bool required) {
  const ConfigNode* node = Member(name, required);
  const auto* text = node == nullptr ? nullptr : std::get_if<std::string>(&node->value);
  if (node != nullptr && text == nullptr) {
    Problem(name, "got " + Show(*node) + ", wanted a string");
  }
  return text;
}

std::optional<double> ConfigObject::Number(std::string_view name, double low, double high) {
  const ConfigNode* node = Member(name);
  if (node == nullptr) {
    return std::nullopt;
  }
  const auto* number = std::get_if<double>(&node->value);
  if (number != nullptr && *number >= low && *number <= high) {
    return *number;
  }
  Problem(name, "got " + Show(*node) + ", allowed " + Range(low, high));
  return std::nullopt;
}

std::optional<std::int64_t> ConfigObject::Whole(std::string_view name, std::int64_t low, std::int64_t high) {
  const auto number = Number(name, static_cast<double>(low), static_cast<double>(high));
  if (!number) {
    return std::nullopt;
  }
  if (std::trunc(*number) == *number) {
    return static_cast<std::int64_t>(*number);
  }
  Problem(name, "got " + Short(*number) + ", wanted a whole number");
  return std::nullopt;
}

void ConfigObject::Finish() {
  const auto* members = std::get_if<ConfigNode::Members>(&node_.value);
  if (members == nullptr) {
    return;
  }
  std::string allowed;
  for (const std::string_view name : known_) {
    allowed += (allowed.empty() ? "" : ", ") + std::string(name);
  }
  for (const ConfigMember& member : *members) {
    if (std::find(known_.begin(), known_.end(), member.name) == known_.end()) {
      problems_.Add(member.node, path_, "got a member " + Quote(member.name) + ", allowed " + allowed);
    }
  }
}

}  // namespace spikeserve::serving
