#pragma once

#include <cstdint>
#include <string_view>

#include "server/base/status.h"
#include "server/rpc/wire/limits.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_entry.h"

namespace spikeserve::rpc {

// Reads a serialized spikeserve.v1.NetworkDefinition. What the message holds that a definition cannot
// (unknown enum values, empty oneofs, a wrong digest) is among the result's violations.
// Reserves what it takes beyond `bytes` themselves and the weights before it parses. RESOURCE_EXHAUSTED where
// `limits` or the budget are passed.
Result<serving::ParsedNetwork> DecodeNetwork(std::string_view bytes, const Limits& limits,
                                             serving::MemoryBudget& budget);

// Texts that travel with a network: how many of each there may be, and how many bytes they may have in all.
inline constexpr std::int64_t kMaxNotes = 1024;
inline constexpr std::int64_t kMaxInputRanges = 1024;
inline constexpr std::int64_t kMaxClassLabels = 65'536;
inline constexpr std::int64_t kMaxTextBytes = 1 << 20;

}  // namespace spikeserve::rpc
