#include "tests/support/fake_backend.h"

#include <cstring>
#include <utility>

namespace spikeserve::testing {
namespace {

class FakeSimulation final : public engine::Simulation {
 public:
  FakeSimulation(std::shared_ptr<FakeScript> script, engine::CheckedSpec spec,
                 std::vector<std::int64_t> sizes, std::size_t layers,
                 std::span<const engine::SampleInputs> samples)
      : script_(std::move(script)),
        spec_(std::move(spec)),
        sizes_(std::move(sizes)),
        layers_(layers),
        samples_(samples.begin(), samples.end()),
        sample_steps_(samples.size()),
        fed_(!spec_->session) {
    script_->AddBatch(static_cast<std::int64_t>(samples_.size()));
    ++script_->simulations;
  }
  ~FakeSimulation() override { --script_->simulations; }

  Status Advance(std::int64_t steps, const StopCheck& stopped) override {
    if (script_->on_advance) {
      if (Status status = script_->on_advance(steps_done_); !status.ok()) {
        return status;
      }
    }
    if (stopped && stopped()) {
      return {StatusCode::kCancelled, "stopped"};
    }
    if (!fed_) {
      return FailedPrecondition("a sample has no inputs yet");
    }
    steps_done_ += steps;
    for (std::int64_t& done : sample_steps_) {
      done += steps;
    }
    script_->steps += steps;
    return {};
  }

  Status Feed(const std::vector<engine::InputFormat>& inputs,
              std::span<const engine::SampleInputs> samples) override {
    const auto spec = engine::FedSpec(spec_, inputs, samples, samples_.size());
    if (!spec.ok()) {
      return spec.status();
    }
    samples_.assign(samples.begin(), samples.end());
    fed_ = true;
    return {};
  }

  Status Reset(std::span<const std::int64_t> samples) override {
    for (const std::int64_t sample : samples) {
      sample_steps_.at(static_cast<std::size_t>(sample)) = 0;
    }
    fed_ = false;
    return {};
  }

  Result<engine::Reading> Read() override {
    engine::Reading reading;
    reading.steps_done = steps_done_;
    for (std::size_t i = 0; fed_ && i < sizes_.size(); ++i) {
      reading.probes.push_back(ReadProbe(sizes_[i]));
    }
    if (spec_->session) {
      reading.steps_used = sample_steps_;
    }
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (spec_->statistics) {
        reading.statistics.emplace_back(layers_, engine::LayerActivity{steps_done_, 1, 0, 2});
      }
      reading.spikes.push_back(sample_steps_[i] * static_cast<std::int64_t>(layers_));
      reading.sample_status.push_back(script_->sample_status ? script_->sample_status(i) : Status());
    }
    return reading;
  }

 private:
  engine::ProbeReading ReadProbe(std::int64_t size) const {
    engine::ProbeReading probe;
    probe.size = size;
    for (const engine::SampleInputs& sample : samples_) {
      float first = 0;
      std::memcpy(&first, sample.data[0], sizeof first);
      for (std::int64_t i = 0; i < size; ++i) {
        probe.values.push_back(first);
      }
      for (std::int64_t t = 0; spec_->trajectories && t < steps_done_ * size; ++t) {
        probe.trajectory.push_back(first + static_cast<double>(t / size));
      }
    }
    return probe;
  }

  const std::shared_ptr<FakeScript> script_;
  const engine::CheckedSpec spec_;
  const std::vector<std::int64_t> sizes_;
  const std::size_t layers_;
  std::vector<engine::SampleInputs> samples_;
  std::vector<std::int64_t> sample_steps_;  // since the start or the last Reset
  std::int64_t steps_done_ = 0;
  bool fed_;
};

class FakeResident final : public engine::ResidentNetwork {
 public:
  FakeResident(std::shared_ptr<FakeScript> script, std::shared_ptr<const engine::Network> network)
      : script_(std::move(script)), network_(std::move(network)) {
    ++script_->networks;
    for (std::size_t i = 0; i < network_->definition().operations.size(); ++i) {
      const engine::OperationDefinition& operation = network_->definition().operations[i];
      if (!std::holds_alternative<engine::NeuronOperation>(operation.kind)) {
        continue;
      }
      layers_.push_back({operation.name, network_->size(static_cast<std::int64_t>(i))});
    }
  }
  ~FakeResident() override { --script_->networks; }

  const engine::Network& network() const override { return *network_; }
  std::int64_t bytes() const override { return script_->network_bytes; }
  std::int64_t EstimateRunBytes(const engine::CheckedSpec&, std::int64_t samples) const override {
    return samples * script_->run_bytes_per_sample;
  }
  const std::vector<engine::SpikingLayer>& spiking_layers() const override { return layers_; }
  Result<std::unique_ptr<engine::Simulation>> NewSimulation(
      const engine::CheckedSpec& spec, std::span<const engine::SampleInputs> samples) const override {
    std::vector<std::int64_t> sizes;
    for (const std::int64_t probe : spec->probes) {
      sizes.push_back(network_->size(network_->probe_target(probe)));
    }
    return std::unique_ptr<engine::Simulation>(
        new FakeSimulation(script_, spec, std::move(sizes), layers_.size(), samples));
  }

 private:
  const std::shared_ptr<FakeScript> script_;
  const std::shared_ptr<const engine::Network> network_;
  std::vector<engine::SpikingLayer> layers_;
};

}  // namespace

void FakeScript::AddBatch(std::int64_t samples) {
  const std::lock_guard lock(mu_);
  batches_.push_back(samples);
}

std::vector<std::int64_t> FakeScript::batches() const {
  const std::lock_guard lock(mu_);
  return batches_;
}

Result<std::unique_ptr<engine::ResidentNetwork>> FakeBackend::Load(
    std::shared_ptr<const engine::Network> network, engine::Mode, const StopCheck&) const {
  if (script_->on_load) {
    if (Status status = script_->on_load(); !status.ok()) {
      return status;
    }
  }
  return std::unique_ptr<engine::ResidentNetwork>(new FakeResident(script_, std::move(network)));
}

}  // namespace spikeserve::testing
