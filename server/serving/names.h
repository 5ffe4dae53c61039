#pragma once

#include <string>
#include <string_view>

namespace spikeserve::serving {

// What a network may be called; safe as a folder name.
inline constexpr std::string_view kNameRule =
    "[A-Za-z0-9._-]{1,128}, not starting with a dot";

// Whether `name` follows kNameRule.
bool IsValidName(std::string_view name);

// `text` in quotes for a message: control characters replaced, long text cut.
std::string Quote(std::string_view text);

}  // namespace spikeserve::serving
