#include "server/engine/reference/reference_network.h"

#include <algorithm>
#include <cassert>

#include "server/engine/network/index.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/reference/reference_sample.h"
#include "server/engine/run/reading_bytes.h"
#include "server/engine/samples/sample_simulation.h"

namespace spikeserve::engine {
namespace {

using ReferenceSpace = Workspace<ReferenceRun, ReferenceSample, ReferenceScratch>;

bool IsLinear(const OperationKind& kind) {
  return !std::holds_alternative<InputOperation>(kind) && !std::holds_alternative<NeuronOperation>(kind) &&
         !std::holds_alternative<ActivationOperation>(kind);
}

std::int64_t AllElements(const Network& network) {
  std::int64_t elements = 0;
  for (const std::int64_t operation : network.order()) {
    elements += network.size(operation) * (1 + static_cast<std::int64_t>(network.incoming(operation).size()));
  }
  return elements;
}

// Of one sample: what ReferenceFilter keeps in float64.
std::int64_t FilterBytes(const Network& network, const SimulationSpec& spec) {
  const auto bytes = [&](const Synapse& synapse, std::int64_t delay_steps) {
    return 128 + 2 * kernels::FilterBytes(MakeFilter(synapse, delay_steps, spec.settings.dt_s)) +
           64 * delay_steps;
  };
  std::int64_t total = 0;
  for (const std::int64_t operation : network.order()) {
    for (const Incoming& incoming : network.incoming(operation)) {
      const auto& connection = network.definition().connections[Index(incoming.connection)];
      total += network.size(operation) * bytes(connection.synapse, connection.delay_steps);
    }
  }
  for (const std::int64_t index : spec.probes) {
    const ProbeDefinition& probe = network.definition().probes[Index(index)];
    total += network.size(network.probe_target(index)) * bytes(probe.synapse, probe.delay_steps);
  }
  return total;
}

}  // namespace

ReferenceNetwork::ReferenceNetwork(const Plan& plan, ThreadPool& pool)
    : network_(plan.network), spiking_(plan.spiking), paths_(FindFilterPaths(plan)), pool_(pool) {
  const std::vector<OperationDefinition>& operations = network_->definition().operations;
  operators_.resize(operations.size());
  fan_out_.resize(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const std::size_t slots = network_->incoming(static_cast<std::int64_t>(i)).size();
    for (std::size_t slot = 0; IsLinear(operations[i].kind) && slot < slots; ++slot) {
      operators_[i].push_back(
          std::make_unique<const LinearOperator>(*network_, Link{static_cast<std::int64_t>(i), slot}));
    }
  }
  for (std::size_t i = 0; i < plan.populations.size(); ++i) {
    fan_out_[Index(plan.populations[i].operation)] = plan.fan_out[i];
  }
  for (std::size_t i = 0; i < network_->definition().probes.size(); ++i) {
    probe_sizes_.push_back(network_->size(network_->probe_target(static_cast<std::int64_t>(i))));
  }
}

std::int64_t ReferenceNetwork::EstimateBytes(const Network& network) {
  return network.bytes() + 8 * network.parameters() + 24 * AllElements(network);
}

std::int64_t ReferenceNetwork::EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const {
  const std::int64_t elements = AllElements(*network_);
  std::int64_t per_sample = 2048 + 16 * elements + 32 * network_->neurons() + FilterBytes(*network_, *spec);
  for (const std::int64_t probe : spec->probes) {
    per_sample += 32 * probe_sizes_[Index(probe)] + 256;
  }
  const std::int64_t threads = std::min(samples, pool_.threads());
  return 24 * network_->neurons() + threads * 24 * elements +
         (spec->in_one ? threads : samples) * per_sample +
         ReadingBytes(*spec, probe_sizes_, static_cast<std::int64_t>(spiking_.size()), samples) +
         RecordBytes(*network_, *spec, samples);
}

Result<std::unique_ptr<Simulation>> ReferenceNetwork::NewSimulation(
    const CheckedSpec& spec, std::span<const SampleInputs> samples) const {
  assert(spec.IsOf(network()));
  if (Status status = CheckSamples(spec, samples); !status.ok()) {
    return status;
  }
  auto space = std::make_unique<ReferenceSpace>(
      MakeReferenceRun(*network_, operators_, fan_out_, paths_, spec), pool_.threads(), 0);  // never kept
  return std::unique_ptr<Simulation>(std::make_unique<SampleSimulation<ReferenceSpace>>(
      std::move(space), nullptr, samples, pool_, chunk_steps()));
}

}  // namespace spikeserve::engine
