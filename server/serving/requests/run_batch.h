#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "server/base/clock.h"
#include "server/serving/memory_budget.h"
#include "server/serving/requests/batcher.h"

namespace spikeserve::serving {

// What one run did, for the metrics.
struct RunRecord {
  std::int64_t requests = 0;
  std::int64_t samples = 0;
  std::int64_t steps = 0;   // done, per sample
  std::int64_t spikes = 0;  // of the samples that were answered
  double queue_s = 0;       // of the request that waited longest
  double compute_s = 0;
};

// What a run needs from around it. All of it outlives the run.
struct RunContext {
  MemoryBudget& budget;
  const Clock& clock;
  std::int64_t max_chunk_steps = engine::kMaxChunkSteps;  // at most, between two looks at who still waits
  std::function<void(const RunRecord&)> on_run;
};

// Simulates all samples of the batch together and answers every request exactly once. A request that
// is cancelled or expires is answered between two chunks; the run ends with the last that is wanted.
// A sample that fails takes only its own request with it. `stop` ends the run with UNAVAILABLE.
void RunBatch(Batch batch, const RunContext& context, const std::stop_token& stop);

}  // namespace spikeserve::serving
