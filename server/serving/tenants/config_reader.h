#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/serving/tenants/config_tree.h"

namespace spikeserve::serving {

// Collects everything that is wrong with a file, so that one message can name it all. One thread at a time.
class ConfigProblems {
 public:
  void Add(const ConfigNode& node, const std::string& path, const std::string& what);
  bool empty() const { return count_ == 0; }
  // INVALID_ARGUMENT with a line for each.
  Status ToStatus() const;

 private:
  std::vector<std::string> messages_;
  std::size_t count_ = 0;
};

// An object of a file, its members by name: each is asked for once, and what nobody asks for is a problem. A
// value that is not what was asked for is a problem too, and then taken as missing. One thread at a time.
class ConfigObject {
 public:
  // Where `node` is no object it has no members. `node` and `problems` outlive it.
  ConfigObject(const ConfigNode& node, std::string path, ConfigProblems& problems);

  // Null where there is none; `required`: which is a problem.
  const ConfigNode* Member(std::string_view name, bool required = false);
  const ConfigNode::Items* List(std::string_view name, bool required);
  const std::string* Text(std::string_view name, bool required = false);
  // A whole number of `low` to `high`, or none.
  std::optional<std::int64_t> Whole(std::string_view name, std::int64_t low, std::int64_t high);
  // A number of `low` to `high`, or none.
  std::optional<double> Number(std::string_view name, double low, double high);

  // Names the members that nobody has asked for; the last thing that is done here.
  void Finish();

  std::string PathOf(std::string_view name) const;
  void Problem(std::string_view name, const std::string& what);

 private:
  const ConfigNode& node_;
  const std::string path_;
  ConfigProblems& problems_;
  std::vector<std::string_view> known_;
};

}  // namespace spikeserve::serving
