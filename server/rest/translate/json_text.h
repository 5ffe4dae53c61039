#pragma once

#include <string>
#include <string_view>

namespace spikeserve::rest {

// Append a value to JSON text. Numbers are the shortest that read back to the same float32 or float64; what
// is no number goes out as protobuf's JSON has it: "NaN", "Infinity", "-Infinity".
void AppendNumber(std::string& json, float value);
void AppendNumber(std::string& json, double value);
// In quotes, escaped; bytes that are no UTF-8 are replaced.
void AppendText(std::string& json, std::string_view text);
// A comma, unless `json` ends with what opens a list or an object, or a name.
void AppendComma(std::string& json);
// "name":
void AppendName(std::string& json, std::string_view name);

}  // namespace spikeserve::rest
