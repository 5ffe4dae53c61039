#include "server/engine/cpu/cpu_network.h"

#include <algorithm>
#include <cassert>

#include "kernels/cpu/spikes/event_layer.h"
#include "server/engine/run/reading_bytes.h"
#include "server/engine/samples/sample_simulation.h"

namespace spikeserve::engine {
using CpuSpace = Workspace<CpuRun, CpuSample, CpuScratch>;

CpuNetwork::CpuNetwork(Plan plan, CpuPath path, ThreadPool& pool, KeptBytes& kept)
    : plan_(std::move(plan)),
      readout_weights_(MakeReadoutWeights(plan_)),
      vector_weights_(path == CpuPath::kPlain ? VectorWeights{}
                                              : MakeVectorWeights(plan_, path == CpuPath::kDigits)),
      path_(path),
      pool_(pool),
      spaces_(kept) {
  for (const ProbePlan& probe : plan_.probes) {
    probe_sizes_.push_back(probe.size);
  }
}

std::int64_t CpuNetwork::bytes() const {
  return plan_.bytes + plan_.network->bytes() + VectorWeightsBytes(vector_weights_) +
         ReadoutWeightsBytes(readout_weights_);
}

RunShape CpuNetwork::ShapeOf(const CheckedSpec& spec) const {
  return {plan_, path_ == CpuPath::kPlain ? nullptr : &vector_weights_, spec};
}

// A session's buffers are laid out again when its inputs come in another format. Together these take more
// than any mixture of them; an encoded input takes what one of floats per step does.
std::int64_t CpuNetwork::ScratchBytes(const CheckedSpec& spec) const {
  if (!spec->session) {
    return CpuScratch::Bytes(ShapeOf(spec));
  }
  std::int64_t bytes = 0;
  for (const InputFormat& format :
       {InputFormat{DataType::kFloat32, false}, {DataType::kUint8, false}, {DataType::kFloat32, true}}) {
    const std::vector<InputFormat> inputs(spec->inputs.size(), format);
    bytes += CpuScratch::Bytes(ShapeOf(spec.WithInputs(inputs).value()));
  }
  return bytes;
}

std::int64_t CpuNetwork::RunBytes(const CheckedSpec& spec, std::int64_t samples, std::int64_t threads) const {
  const RunShape shape = ShapeOf(spec);
  return CpuRun::Bytes(shape) + threads * ScratchBytes(spec) + samples * CpuSample::Bytes(shape);
}

std::int64_t CpuNetwork::EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const {
  const std::int64_t threads = std::min(samples, pool_.threads());
  const std::int64_t alive = spec->in_one ? std::min(samples, threads * kGroupSamples) : samples;
  const auto layers = static_cast<std::int64_t>(plan_.spiking.size());
  return RunBytes(spec, alive, threads) + ReadingBytes(*spec, probe_sizes_, layers, samples) +
         RecordBytes(*plan_.network, *spec, samples);
}

Result<std::unique_ptr<Simulation>> CpuNetwork::NewSimulation(const CheckedSpec& spec,
                                                              std::span<const SampleInputs> samples) const {
  assert(spec.IsOf(network()));
  if (Status status = CheckSamples(spec, samples); !status.ok()) {
    return status;
  }
  std::unique_ptr<CpuSpace> space = spaces_.Take(spec);
  if (!space) {
    const std::int64_t threads = pool_.threads();
    space = std::make_unique<CpuSpace>(MakeCpuRun(ShapeOf(spec), readout_weights_, path_), threads,
                                       RunBytes(spec, threads * kGroupSamples, threads));
  }
  return std::unique_ptr<Simulation>(std::make_unique<SampleSimulation<CpuSpace>>(
      std::move(space), &spaces_, samples, pool_, piece_steps()));
}

std::int64_t CpuNetwork::piece_steps() const {
  constexpr std::int64_t kValuesAtOnce = 16'000'000;  // times steps: a second of the slowest neurons
  std::int64_t values = 0;
  for (const Population& population : plan_.populations) {
    values += population.size;
  }
  constexpr std::int64_t kMost = kernels::kMaxUncountedSteps;
  return std::max(chunk_steps(), std::min(ChunkSteps(plan_.network->synapses(), kSynapsesAtOnce, kMost),
                                          ChunkSteps(values, kValuesAtOnce, kMost)));
}

}  // namespace spikeserve::engine
