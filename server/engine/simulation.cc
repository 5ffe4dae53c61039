#include "server/engine/simulation.h"

namespace spikeserve::engine {
namespace {

Status NoSessions() {
  return {StatusCode::kUnimplemented, "sessions: this backend does not keep state between messages"};
}

}  // namespace

Status Simulation::Feed(const std::vector<InputFormat>&, std::span<const SampleInputs>) {
  return NoSessions();
}

Status Simulation::Reset(std::span<const std::int64_t>) { return NoSessions(); }

}  // namespace spikeserve::engine
