#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spikeserve::serving {

inline constexpr std::size_t kMaxNameBytes = 128;
// What a network may be called; safe as a folder name.
inline constexpr std::string_view kNameRule = "[A-Za-z0-9._-]{1,128}, not starting with a dot";

// Versions are 1..kMaxVersion; the bound leaves room for "one above the highest".
inline constexpr std::int64_t kMaxVersion = 1'000'000'000'000;

// Whether `name` follows kNameRule.
bool IsValidName(std::string_view name);

}  // namespace spikeserve::serving
