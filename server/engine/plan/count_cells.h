#pragma once

#include <cstdint>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/plan/linear_operator.h"
#include "server/engine/plan/plan.h"

namespace spikeserve::engine {

// What a path brings to an operation that reads counts, its last link: each unit's cells as the gather of a
// product whose weights nobody reads. Cells that a Pad added are marked in `zeros` [unit], of a path that is
// the only one.
// RESOURCE_EXHAUSTED where there would be more than max_entries cells.
Result<kernels::Product> LowerCells(const Network& network, std::int64_t source,
                                    const std::vector<Link>& chain, std::int64_t max_entries,
                                    std::vector<std::uint8_t>& zeros);

}  // namespace spikeserve::engine
