#include "server/serving/metrics/status_page.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "server/base/overloaded.h"

namespace spikeserve::serving {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const StatusValue& value) {
  return std::visit(Overloaded{[](const std::string& text) { return text; },
                               [](std::int64_t number) { return std::to_string(number); },
                               [](double number) {
                                 char text[32];
                                 std::snprintf(text, sizeof text, "%.6g", number);
                                 return std::string(text);
                               },
                               [](bool yes) { return std::string(yes ? "yes" : "no"); }},
                    value);
}

Json JsonRow(const StatusSection& section, const std::vector<StatusValue>& row) {
  Json object = Json::object();
  for (std::size_t i = 0; i < row.size(); ++i) {
    std::visit([&](const auto& value) { object[section.columns[i]] = value; }, row[i]);
  }
  return object;
}

std::string HtmlText(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '&': escaped += "&amp;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

// snake_case as words.
std::string Title(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

void WriteHtmlRow(const std::vector<std::string>& cells, const char* tag, std::string& html) {
  html += "<tr>";
  for (const std::string& cell : cells) {
    html += std::string("<") + tag + ">" + HtmlText(cell) + "</" + tag + ">";
  }
  html += "</tr>\n";
}

// The table as texts: one row a line, or for a single row one column a line.
std::vector<std::vector<std::string>> Cells(const StatusSection& section) {
  std::vector<std::vector<std::string>> cells;
  if (section.is_one) {
    for (std::size_t i = 0; i < section.columns.size() && !section.rows.empty(); ++i) {
      cells.push_back({Title(section.columns[i]), Text(section.rows.front()[i])});
    }
    return cells;
  }
  for (const std::vector<StatusValue>& row : section.rows) {
    std::vector<std::string>& texts = cells.emplace_back();
    std::transform(row.begin(), row.end(), std::back_inserter(texts), Text);
  }
  return cells;
}

std::vector<std::string> Titles(const StatusSection& section) {
  std::vector<std::string> titles;
  std::transform(section.columns.begin(), section.columns.end(), std::back_inserter(titles), Title);
  return titles;
}

}  // namespace

std::string StatusJson(const StatusPage& page) {
  Json json = Json::object();
  for (const StatusSection& section : page) {
    if (section.is_one && !section.rows.empty()) {
      json[section.name] = JsonRow(section, section.rows.front());
      continue;
    }
    Json& list = json[section.name] = Json::array();
    for (const std::vector<StatusValue>& row : section.rows) {
      list.push_back(JsonRow(section, row));
    }
  }
  // What clients sent may be no UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string StatusHtml(const StatusPage& page) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>spikeserve</title></head>\n"
      "<body>\n<h1>spikeserve</h1>\n";
  for (const StatusSection& section : page) {
    html += "<h2>" + HtmlText(Title(section.name)) + "</h2>\n";
    if (section.rows.empty()) {
      html += "<p>none</p>\n";
      continue;
    }
    html += "<table border=\"1\" cellpadding=\"4\">\n";
    if (!section.is_one) {
      WriteHtmlRow(Titles(section), "th", html);
    }
    for (const std::vector<std::string>& cells : Cells(section)) {
      WriteHtmlRow(cells, "td", html);
    }
    html += "</table>\n";
  }
  return html + "</body></html>\n";
}

std::string StatusText(const StatusPage& page) {
  std::string text;
  for (const StatusSection& section : page) {
    text += Title(section.name) + "\n";
    auto cells = Cells(section);
    if (!section.is_one) {
      cells.insert(cells.begin(), Titles(section));
    }
    std::vector<std::size_t> widths;
    for (const std::vector<std::string>& row : cells) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) {
        widths[i] = std::max(widths[i], row[i].size());
      }
    }
    for (const std::vector<std::string>& row : cells) {
      text += " ";
      for (std::size_t i = 0; i < row.size(); ++i) {
        text += " " + row[i] + (i + 1 < row.size() ? std::string(widths[i] - row[i].size(), ' ') : "");
      }
      text += "\n";
    }
    text += "\n";
  }
  return text;
}

}  // namespace spikeserve::serving
