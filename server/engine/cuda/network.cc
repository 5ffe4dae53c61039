#include "server/engine/cuda/network.h"

#include <atomic>
#include <cassert>

#include "server/engine/cuda/layout/closed_program.h"
#include "server/engine/cuda/layout/scratch.h"
#include "server/engine/cuda/simulation.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/run/layers.h"
#include "server/engine/run/reading_bytes.h"

namespace spikeserve::engine {
namespace {

std::string NextKey() {
  static std::atomic<std::uint64_t> next = 0;
  return std::to_string(next++) + ":";
}

}  // namespace

CudaNetwork::CudaNetwork(cuda::Device& device, CudaWorkspacePool& pool, std::shared_ptr<const Plan> plan,
                         std::shared_ptr<const ResidentNetwork> cpu)
    : device_(device),
      pool_(pool),
      plan_(std::move(plan)),
      weights_(device, *plan_),
      cpu_(std::move(cpu)),
      key_(NextKey()) {
  for (const ProbePlan& probe : plan_->probes) {
    probe_sizes_.push_back(probe.size);
  }
}

CudaNetwork::~CudaNetwork() { pool_.Drop(key_); }

std::int64_t CudaNetwork::bytes() const {
  const std::int64_t on_cpu = cpu_ == nullptr ? 0 : cpu_->bytes();
  return weights_.bytes() + plan_->bytes + plan_->network->bytes() + on_cpu;
}

bool CudaNetwork::IsForCpu(const CheckedSpec& spec) const {
  return cpu_ != nullptr && !WhyForCpu(CudaRun(*plan_, weights_, spec), device_.limits()).empty();
}

Result<CudaLaunchShape> CudaNetwork::ShapeLaunch(const CudaRun& run, std::int64_t samples) const {
  CudaDemand demand = DemandOf(run);
  demand.fixed_bytes += weights_.bytes() + (UsesDigits(run) ? device_.limits().product_workspace_bytes : 0);
  return ShapeCudaLaunch(demand, samples, device_.limits());
}

std::int64_t CudaNetwork::EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const {
  if (IsForCpu(spec)) {
    return cpu_->EstimateRunBytes(spec, samples);
  }
  const auto layers = static_cast<std::int64_t>(plan_->spiking.size());
  const std::int64_t answers =
      ReadingBytes(*spec, probe_sizes_, layers, samples) + RecordBytes(*plan_->network, *spec, samples);
  return answers + (spec->session ? EstimateSessionBytes(spec, samples) : EstimateBatchBytes(spec, samples));
}

std::int64_t CudaNetwork::EstimateBatchBytes(const CheckedSpec& spec, std::int64_t samples) const {
  const CudaRun run(*plan_, weights_, spec);
  const Result<CudaLaunchShape> launch = ShapeLaunch(run, samples);
  if (!launch.ok()) {
    return device_.limits().memory_bytes;  // NewSimulation says why it does not fit
  }
  return WorkspaceBytes(run, launch.value()) + StagingBytes(run, launch.value()) +
         CudaWorkspace::ProgramBytes(run, launch.value()) +
         (UsesDigits(run) ? device_.limits().product_workspace_bytes : 0) + ConstantBytes(*plan_);
}

// Each piece may bring inputs of another format, and while the state moves there are two workspaces. Together
// these formats take more than any two mixtures of them.
std::int64_t CudaNetwork::EstimateSessionBytes(const CheckedSpec& spec, std::int64_t samples) const {
  Encoding encoding;  // any that suits every dt
  encoding.kind = EncodingKind::kLatency;
  encoding.window_steps = 1;
  const std::vector<InputFormat> formats = {{DataType::kUint8, false, std::nullopt},
                                            {DataType::kFloat32, false, std::nullopt},
                                            {DataType::kUint8, true, std::nullopt},
                                            {DataType::kFloat32, true, std::nullopt},
                                            {DataType::kFloat32, false, encoding}};
  std::int64_t bytes = 0;
  for (const InputFormat& format : formats) {
    const std::vector<InputFormat> inputs(spec->inputs.size(), format);
    bytes += EstimateBatchBytes(spec.WithInputs(inputs).value(), samples);
  }
  return bytes;
}

// Idle workspaces make room where the memory is short.
std::unique_ptr<CudaWorkspace> CudaNetwork::MakeWorkspace(const CheckedSpec& spec,
                                                          const CudaLaunchShape& launch) const {
  try {
    return std::make_unique<CudaWorkspace>(device_, *plan_, weights_, spec, launch);
  } catch (const cuda::DeviceError& error) {
    if (error.failure() != cuda::Failure::kOutOfMemory) {
      throw;
    }
  }
  pool_.Drop("");
  return std::make_unique<CudaWorkspace>(device_, *plan_, weights_, spec, launch);
}

std::string CudaNetwork::KeyOf(const SimulationSpec& spec, std::int64_t padded) const {
  return key_ + std::to_string(padded) + ":" + SpecKey(spec);
}

// Throws cuda::DeviceError.
Result<std::unique_ptr<CudaWorkspace>> CudaNetwork::TakeWorkspace(const CheckedSpec& spec,
                                                                  std::int64_t samples) const {
  std::unique_ptr<CudaWorkspace> workspace = pool_.Take(KeyOf(*spec, BatchBucket(samples)));
  if (workspace == nullptr) {
    const Result<CudaLaunchShape> launch = ShapeLaunch(CudaRun(*plan_, weights_, spec), samples);
    if (!launch.ok()) {
      return launch.status();
    }
    workspace = MakeWorkspace(spec, launch.value());
  }
  workspace->SetSpec(spec);
  return workspace;
}

Result<std::unique_ptr<Simulation>> CudaNetwork::NewSimulation(const CheckedSpec& spec,
                                                               std::span<const SampleInputs> samples) const {
  assert(spec.IsOf(network()));
  if (Status status = CheckSamples(spec, samples); !status.ok()) {
    return status;
  }
  if (IsForCpu(spec)) {
    return cpu_->NewSimulation(spec, samples);
  }
  const auto count = static_cast<std::int64_t>(samples.size());
  const CudaWorkspaces workspaces{
      [this, count](const CheckedSpec& wanted) { return TakeWorkspace(wanted, count); },
      [this](std::unique_ptr<CudaWorkspace> used) {
        const std::string key = KeyOf(*used->run().spec, used->launch().samples);
        pool_.Give(key, std::move(used));
      }};
  try {
    Result<std::unique_ptr<CudaWorkspace>> workspace = TakeWorkspace(spec, count);
    if (!workspace.ok()) {
      return workspace.status();
    }
    return std::unique_ptr<Simulation>(
        std::make_unique<CudaSimulation>(std::move(workspace).value(), samples, workspaces));
  } catch (const cuda::DeviceError& error) {
    return StatusOf(error);
  }
}

}  // namespace spikeserve::engine
