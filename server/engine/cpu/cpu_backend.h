#pragma once

#include "server/engine/cpu/cpu_path.h"
#include "server/engine/run/backend.h"
#include "server/engine/samples/thread_pool.h"
#include "server/engine/samples/workspace.h"

namespace spikeserve::engine {

// The CPU as a device. Its threads are shared by all networks. Thread-safe; outlives its networks.
class CpuBackend final : public Backend {
 public:
  // `threads` >= 1.
  CpuBackend(std::int64_t threads, CpuPath path) : path_(path), pool_(threads) {}

  std::string name() const override { return "cpu"; }
  Result<std::int64_t> EstimateBytes(const Network& network, Mode mode) const override;
  Result<std::unique_ptr<ResidentNetwork>> Load(std::shared_ptr<const Network> network, Mode mode,
                                                const StopCheck& stopped) const override;

 private:
  const CpuPath path_;
  mutable ThreadPool pool_;
  mutable KeptBytes kept_;
};

}  // namespace spikeserve::engine
