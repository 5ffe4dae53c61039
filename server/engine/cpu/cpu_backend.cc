#include "server/engine/cpu/cpu_backend.h"

#include <utility>

#include "server/engine/cpu/cpu_network.h"
#include "server/engine/plan/compile.h"
#include "server/engine/plan/estimate.h"
#include "server/engine/reference/reference_network.h"

namespace spikeserve::engine {

Result<std::int64_t> CpuBackend::EstimateBytes(const Network& network, Mode mode) const {
  const Result<std::int64_t> plan = EstimatePlanBytes(network);
  if (!plan.ok()) {
    return plan.status();
  }
  return plan.value() +
         (mode == Mode::kReference ? ReferenceNetwork::EstimateBytes(network) : network.bytes());
}

Result<std::unique_ptr<ResidentNetwork>> CpuBackend::Load(std::shared_ptr<const Network> network, Mode mode,
                                                          const StopCheck& stopped) const {
  Result<Plan> plan = Compile(std::move(network), stopped, LargestWeight(mode));
  if (!plan.ok()) {
    return plan.status();
  }
  if (mode == Mode::kReference) {
    return std::unique_ptr<ResidentNetwork>(std::make_unique<ReferenceNetwork>(plan.value(), pool_));
  }
  return std::unique_ptr<ResidentNetwork>(
      std::make_unique<CpuNetwork>(std::move(plan).value(), path_, pool_, kept_));
}

}  // namespace spikeserve::engine
