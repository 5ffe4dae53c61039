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

inline constexpr std::size_t kMaxAliases = 64;  // of a network
// Whether `alias` follows kNameRule and cannot be taken for a version.
bool IsValidAlias(std::string_view alias);
// The network of NAME or NAME@ALIAS.
std::string_view NetworkOf(std::string_view name);
// Whether `name` is NAME or NAME@ALIAS, both as they may be.
bool IsValidReference(std::string_view name);

}  // namespace spikeserve::serving
