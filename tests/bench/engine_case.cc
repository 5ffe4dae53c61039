#include "tests/bench/engine_case.h"

#include <stdexcept>
#include <utility>

#include "server/engine/make_backend.h"
#include "server/engine/network/index.h"

namespace spikeserve::bench {
namespace {

using engine::Index;

template <typename T>
T ValueOf(Result<T> result) {
  if (!result.ok()) {
    throw std::runtime_error(result.status().message());
  }
  return std::move(result).value();
}

}  // namespace

EngineCase::EngineCase(std::shared_ptr<const engine::Network> network, engine::Mode mode,
                       engine::CpuPath path, std::int64_t threads)
    : network_(std::move(network)),
      backend_(ValueOf(engine::MakeBackend({.kind = "cpu", .threads = threads, .cpu_path = path}))),
      resident_(ValueOf(backend_->Load(network_, mode))) {}

engine::Reading EngineCase::Read(const Batch& batch, std::int64_t steps, bool statistics) const {
  const engine::RunDefaults& defaults = network_->definition().defaults;
  engine::SimulationSpec spec;
  spec.settings.dt_s = defaults.dt > 0 ? defaults.dt : spec.settings.dt_s;
  spec.settings.steps = steps;
  spec.settings.readout = defaults.readout;
  spec.inputs = {{batch.type, false}};
  spec.probes = {0};
  spec.statistics = statistics;
  spec.in_one = resident_->runs_in_one();  // as a request that wants no reports
  const std::int64_t bytes = network_->size(network_->inputs()[0]) * engine::SizeOf(batch.type);
  std::vector<engine::SampleInputs> samples(Index(batch.samples));
  for (std::int64_t i = 0; i < batch.samples; ++i) {
    samples[Index(i)].data = {batch.data + i * bytes};
  }
  const auto simulation =
      ValueOf(resident_->NewSimulation(ValueOf(engine::CheckedSpec::Create(*network_, spec)), samples));
  if (const Status status = simulation->Advance(steps); !status.ok()) {
    throw std::runtime_error(status.message());
  }
  return ValueOf(simulation->Read());
}

std::vector<double> EngineCase::Run(const Batch& batch, std::int64_t steps) const {
  engine::Reading reading = Read(batch, steps, false);
  for (const Status& status : reading.sample_status) {
    if (!status.ok()) {
      throw std::runtime_error(status.message());
    }
  }
  return std::move(reading.probes[0].values);
}

EngineCase::Activity EngineCase::Count(const Batch& batch, std::int64_t steps) const {
  Activity sum;
  for (const auto& sample : Read(batch, steps, true).statistics) {
    sum.busiest.resize(sample.size());
    for (std::size_t l = 0; l < sample.size(); ++l) {
      const engine::LayerActivity& layer = sample[l];
      sum.spikes += layer.spikes;
      sum.synaptic_operations += layer.synaptic_operations;
      sum.busiest[l] = std::max(sum.busiest[l], layer.busiest_neuron_spikes);
    }
  }
  return sum;
}

}  // namespace spikeserve::bench
