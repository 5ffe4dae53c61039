#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace spikeserve::serving {

using StatusValue = std::variant<std::string, std::int64_t, double, bool>;

// One table of the page. `is_one` says that there is one row, which in JSON is an object and not a list.
struct StatusSection {
  std::string name;  // in snake_case, as the columns
  std::vector<std::string> columns;
  std::vector<std::vector<StatusValue>> rows;
  bool is_one = false;
};

// How the server stands at one moment, for people and for programs.
using StatusPage = std::vector<StatusSection>;

// {"SECTION": {"COLUMN": value}, "SECTION": [{"COLUMN": value}]}
std::string StatusJson(const StatusPage& page);
// A page without scripts, styles of its own, or anything from elsewhere.
std::string StatusHtml(const StatusPage& page);
// Columns under one another.
std::string StatusText(const StatusPage& page);

}  // namespace spikeserve::serving
