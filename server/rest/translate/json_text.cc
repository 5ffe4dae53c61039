#include "server/rest/translate/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace spikeserve::rest {
namespace {

template <typename T>
void Append(std::string& json, T value) {
  if (!std::isfinite(value)) {
    json += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return;
  }
  if (value == 0 && std::signbit(value)) {
    json += "-0.0";  // many read -0 as a whole number, which has no sign
    return;
  }
  std::array<char, 32> text;  // NOLINT: written before it is read
  json.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

}  // namespace

void AppendNumber(std::string& json, float value) { Append(json, value); }
void AppendNumber(std::string& json, double value) { Append(json, value); }

void AppendText(std::string& json, std::string_view text) {
  json += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void AppendComma(std::string& json) {
  if (!json.empty() && json.back() != '[' && json.back() != '{' && json.back() != ':') {
    json += ',';
  }
}

void AppendName(std::string& json, std::string_view name) {
  AppendComma(json);
  AppendText(json, name);
  json += ':';
}

}  // namespace spikeserve::rest
