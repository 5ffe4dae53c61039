#include "server/engine/cuda/answers.h"

#include <algorithm>

#include "kernels/cuda/scan.h"

namespace spikeserve::engine {
namespace {

void DownloadAnswers(CudaWorkspace& workspace) {
  cuda::Queue& downloads = workspace.downloads();
  const CudaRun& run = workspace.run();
  const CudaBuffers& buffers = workspace.buffers();
  CudaStaging& staging = workspace.staging();
  const std::size_t samples = Index(workspace.launch().samples);
  downloads.Download(staging.failed, buffers.read_failed, samples * sizeof(std::int32_t));
  downloads.Download(staging.sample_spikes, buffers.read_spikes, samples * sizeof(std::int64_t));
  for (std::size_t p = 0; p < buffers.probes.size(); ++p) {
    const std::size_t count = samples * Index(run.probe(p).size);
    downloads.Download(staging.answers[p], buffers.probes[p].answer, count * sizeof(float));
    if (!run.folded[p]) {
      downloads.Download(staging.sums[p], buffers.probes[p].answer_sum, count * sizeof(double));
    }
  }
  for (std::size_t l = 0; l < staging.activity.size(); ++l) {
    if (staging.activity[l] != nullptr) {
      downloads.Download(staging.activity[l], buffers.layers[l].activity,
                         samples * sizeof(cuda::ActivitySum));
    }
  }
}

}  // namespace

void SendAnswers(CudaWorkspace& workspace, const CudaAges& ages) {
  workspace.work().Run(ReadingProgram(workspace.scene(), ages.Ranges(workspace.launch().samples)));
  workspace.work().Set(*workspace.marks().read);
  workspace.downloads().Await(*workspace.marks().read);
  DownloadAnswers(workspace);
  workspace.downloads().Set(*workspace.marks().answered);
}

void AwaitAnswers(CudaWorkspace& workspace) { workspace.downloads().WaitFor(*workspace.marks().answered); }

bool CudaSampleAnswers::failed() const { return staging_.failed[sample_] != cuda::kNotFailed; }

Status CudaSampleAnswers::status() const {
  if (!failed()) {
    return {};
  }
  const Layer& layer = run_.plan->layers[Index(staging_.failed[sample_] - 1)];
  const std::string& name = run_.plan->network->definition().operations[Index(layer.operation)].name;
  return HasMemory(layer) ? LeftMemoryRange(name) : LeftExactRange(name);
}

void CudaSampleAnswers::ReadProbe(std::size_t index, std::span<double> values) const {
  const std::size_t size = values.size();
  const std::int64_t counted = ages_.CountedBy(sample_);
  if (counted >= 0 && (run_.folded[index] || counted == 0)) {
    std::copy_n(staging_.answers[index] + sample_ * size, size, values.begin());
  } else if (counted > 0) {
    const double* const sums = staging_.sums[index] + sample_ * size;
    std::transform(sums, sums + size, values.begin(),
                   [counted](double sum) { return sum / static_cast<double>(counted); });
  }
  correction_.Apply(index, ages_.StepsOf(sample_), values);
}

std::vector<LayerActivity> CudaSampleAnswers::Activity() const {
  std::vector<LayerActivity> activity;
  for (const std::int64_t layer : run_.plan->spiking_layers) {
    const cuda::ActivitySum& sum = staging_.activity[Index(layer)][sample_];
    activity.push_back({sum.spikes, sum.busiest, sum.silent, sum.synaptic_operations});
  }
  return activity;
}

}  // namespace spikeserve::engine
