#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "server/rpc/decode/checked_request.h"
#include "server/serving/requests/request.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {

// What a response may hold beside its tensors: names, settings, statistics, and the tags of its fields.
inline constexpr std::int64_t kResponseOverhead = 4096;

// A server on which "n" is resident: version 1 in exact mode, version 2 in reference mode.
FuzzServer& ServerWithNetwork();

// Runs a checked request, step by step, with a look at what the first step gives; nothing where there is no
// memory for the run.
std::optional<serving::RunOutcome> Run(FuzzServer& server, const rpc::CheckedRequest& request,
                                       const std::function<void(const engine::Reading&)>& on_first_step);

}  // namespace spikeserve::fuzz
