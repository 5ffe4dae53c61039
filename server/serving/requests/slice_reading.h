#pragma once

#include <cstdint>

#include "server/base/status.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::serving {

// The part of a batch's reading that belongs to `count` samples from `first` on.
engine::Reading SliceReading(const engine::Reading& reading, std::int64_t first, std::int64_t count);

// The same without trajectories and statistics.
engine::Reading SliceReadout(const engine::Reading& reading, std::int64_t first, std::int64_t count);

// That of all samples.
engine::Reading ReadoutOf(engine::Reading reading);

// Adds further samples of the same run to those of `whole`, which will have `total` in the end.
void AppendReading(engine::Reading part, std::int64_t total, engine::Reading& whole);

// The first bad sample_status among these samples; `offset` more is the index that the client knows.
Status FirstFailure(const engine::Reading& reading, std::int64_t first, std::int64_t count,
                    std::int64_t offset = 0);

// Spikes of these samples.
std::int64_t CountSpikes(const engine::Reading& reading, std::int64_t first, std::int64_t count);

}  // namespace spikeserve::serving
