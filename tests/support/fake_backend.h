#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/engine/run/backend.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::testing {

// What a fake backend does and has seen. Set the first part before use; the rest is thread-safe.
struct FakeScript {
  std::function<Status(std::int64_t steps_done)> on_advance;  // before each chunk; may throw or wait
  std::function<Status()> on_load;
  std::function<Status()> health;
  std::function<Status(std::size_t sample)> sample_status;
  std::int64_t network_bytes = 1000;
  std::int64_t run_bytes_per_sample = 100;

  std::atomic<std::int64_t> networks = 0;     // alive
  std::atomic<std::int64_t> simulations = 0;  // alive
  std::atomic<std::int64_t> steps = 0;        // advanced in all

  void AddBatch(std::int64_t samples);
  std::vector<std::int64_t> batches() const;  // samples of each simulation, in order

 private:
  mutable std::mutex mu_;
  std::vector<std::int64_t> batches_;
};

// A device that computes nothing: every output of a sample is the first float32 of its first input, and its
// trajectory adds the step. One spike per step and spiking layer. Keeps sessions; what one reads before it is
// fed has no probes.
class FakeBackend final : public engine::Backend {
 public:
  explicit FakeBackend(std::shared_ptr<FakeScript> script) : script_(std::move(script)) {}

  std::string name() const override { return "fake"; }
  Result<std::int64_t> EstimateBytes(const engine::Network&, engine::Mode) const override {
    return script_->network_bytes;
  }
  Result<std::unique_ptr<engine::ResidentNetwork>> Load(std::shared_ptr<const engine::Network> network,
                                                        engine::Mode mode,
                                                        const StopCheck& stopped = {}) const override;
  Status Health() const override { return script_->health ? script_->health() : Status(); }

 private:
  const std::shared_ptr<FakeScript> script_;
};

}  // namespace spikeserve::testing
