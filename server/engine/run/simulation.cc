#include "server/engine/run/simulation.h"

#include <algorithm>

namespace spikeserve::engine {
namespace {

Status NoSessions() {
  return {StatusCode::kUnimplemented, "sessions: this backend does not keep state between messages"};
}

}  // namespace

std::int64_t ChunkSteps(std::int64_t synapses, std::int64_t synapses_per_chunk, std::int64_t most) {
  return std::clamp<std::int64_t>(synapses_per_chunk / std::max<std::int64_t>(synapses, 1), 1, most);
}

Status Simulation::Feed(const std::vector<InputFormat>&, std::span<const SampleInputs>) {
  return NoSessions();
}

Status Simulation::Reset(std::span<const std::int64_t>) { return NoSessions(); }

}  // namespace spikeserve::engine
