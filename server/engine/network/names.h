#pragma once

#include <cstddef>
#include <string>

namespace spikeserve::engine {

constexpr std::size_t kMaxNameLength = 128;

// Whether it is 1..128 of [A-Za-z0-9._/:-].
bool IsName(const std::string& name);

// A name in single quotes, as the messages about a network have it.
std::string Quote(const std::string& name);

}  // namespace spikeserve::engine
