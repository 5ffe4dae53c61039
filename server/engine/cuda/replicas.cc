#include "server/engine/cuda/replicas.h"

#include <algorithm>
#include <utility>

namespace spikeserve::engine {
namespace {

// Counts a batch as long as it is there.
class Place {
 public:
  explicit Place(std::atomic<std::int64_t>& running) : running_(&running) { ++running; }
  ~Place() {
    if (running_ != nullptr) {
      --*running_;
    }
  }
  Place(Place&& other) noexcept : running_(std::exchange(other.running_, nullptr)) {}
  Place& operator=(Place&&) = delete;

 private:
  std::atomic<std::int64_t>* running_;
};

class PlacedSimulation final : public Simulation {
 public:
  PlacedSimulation(std::unique_ptr<Simulation> simulation, Place place)
      : place_(std::move(place)), simulation_(std::move(simulation)) {}

  Status Advance(std::int64_t steps, const StopCheck& stopped) override {
    return simulation_->Advance(steps, stopped);
  }
  Result<Reading> Read() override { return simulation_->Read(); }
  bool finished() const override { return simulation_->finished(); }
  Status Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples) override {
    return simulation_->Feed(inputs, samples);
  }
  Status Reset(std::span<const std::int64_t> samples) override { return simulation_->Reset(samples); }

 private:
  const Place place_;  // before the simulation, which ends first
  const std::unique_ptr<Simulation> simulation_;
};

}  // namespace

CudaReplicas::CudaReplicas(std::vector<std::unique_ptr<CudaNetwork>> networks)
    : networks_(std::move(networks)), running_(networks_.size()) {}

// The plan is there once, the weights on every GPU.
std::int64_t CudaReplicas::bytes() const {
  std::int64_t bytes = networks_.front()->bytes();
  for (std::size_t i = 1; i < networks_.size(); ++i) {
    bytes += networks_[i]->device_bytes();
  }
  return bytes;
}

std::size_t CudaReplicas::LeastBusy() const {
  const auto least = std::min_element(running_.begin(), running_.end(),
                                      [](const auto& a, const auto& b) { return a.load() < b.load(); });
  return static_cast<std::size_t>(least - running_.begin());
}

Result<std::unique_ptr<Simulation>> CudaReplicas::NewSimulation(const CheckedSpec& spec,
                                                                std::span<const SampleInputs> samples) const {
  const std::size_t chosen = LeastBusy();
  Place place(running_[chosen]);
  Result<std::unique_ptr<Simulation>> simulation = networks_[chosen]->NewSimulation(spec, samples);
  if (!simulation.ok()) {
    return simulation.status();
  }
  return std::unique_ptr<Simulation>(
      std::make_unique<PlacedSimulation>(std::move(simulation).value(), std::move(place)));
}

std::vector<std::int64_t> CudaReplicas::running() const { return {running_.begin(), running_.end()}; }

}  // namespace spikeserve::engine
