#include "server/engine/cuda/pipeline.h"

#include <algorithm>
#include <numeric>

namespace spikeserve::engine {

void CudaPipeline::Feed(std::span<const SampleInputs> samples) {
  const CudaRun& run = workspace_.run();
  const CudaBuffers& buffers = workspace_.buffers();
  cuda::Queue& uploads = workspace_.uploads();
  workspace_.work().Set(*workspace_.marks().taken);
  uploads.Await(*workspace_.marks().taken);
  for (std::size_t i = 0; i < run.spec->inputs.size(); ++i) {
    const CudaPopulation& use = run.populations[i];
    if (!GoesUpOnce(use)) {
      continue;
    }
    std::byte* const staged = workspace_.staging().slots[0].inputs[i];
    PackInput(run, i, samples, workspace_.launch().samples, 0, 1, staged);
    const CudaPopulationBuffers& to = buffers.populations[i];
    void* const values = use.encoded ? to.encoded : to.values;
    const std::int64_t bytes =
        workspace_.launch().samples * run.plan->populations[i].size * CudaInputBytes(run, i);
    uploads.Upload(use.bytes ? to.bytes : values, staged, Index(bytes));
  }
  if (std::uint32_t* const staged = workspace_.staging().sample_index; staged != nullptr) {
    // The samples that only pad the batch draw what the first one draws; nobody reads what becomes of it.
    const std::size_t count = Index(workspace_.launch().samples);
    std::fill_n(staged, count, 0U);
    std::transform(samples.begin(), samples.end(), staged,
                   [](const SampleInputs& sample) { return static_cast<std::uint32_t>(sample.index); });
    uploads.Upload(buffers.sample_index, staged, count * sizeof(std::uint32_t));
  }
  uploads.Set(*workspace_.marks().landed);
  workspace_.work().Await(*workspace_.marks().landed);
  workspace_.RunInputs();
}

void CudaPipeline::Restart() {
  workspace_.RunState();
  fresh_ = true;
}

void CudaPipeline::Restart(std::span<const std::int64_t> samples) {
  for (const std::int64_t sample : samples) {
    workspace_.work().Run(StateProgram(workspace_.scene(), sample, 1));
  }
}

std::int64_t CudaPipeline::steps() const {
  return std::accumulate(chunks_.begin(), chunks_.end(), std::int64_t{0},
                         [](std::int64_t sum, const Chunk& chunk) { return sum + chunk.steps; });
}

void CudaPipeline::Issue(std::span<const SampleInputs> samples, std::int64_t at, std::int64_t steps,
                         bool may_return) {
  Chunk chunk{steps, next_slot_, wide_, false};
  chunk.kept = !fresh_ && (!wide_ || may_return);
  next_slot_ = (next_slot_ + 1) % kCudaSlots;
  UploadInputs(samples, at, chunk);
  const CudaBuffers& buffers = workspace_.buffers();
  if (chunk.kept) {
    workspace_.work().Run(
        {cuda::Copy{buffers.snapshots[chunk.slot], buffers.state, Index(buffers.state_bytes)}});
  }
  workspace_.RunChunk(steps, wide_);
  Fetch(chunk);
  chunks_.push_back(chunk);
  fresh_ = false;
}

// What lands waits in a place of its own until the chunk before it has begun: then it is taken from there,
// and the next may land.
void CudaPipeline::UploadInputs(std::span<const SampleInputs> samples, std::int64_t at, const Chunk& chunk) {
  const CudaRun& run = workspace_.run();
  const std::vector<std::byte*>& staged = workspace_.staging().slots[chunk.slot].inputs;
  const cuda::Program take = LandingProgram(workspace_.scene(), chunk.steps);
  if (take.empty()) {
    return;
  }
  cuda::Queue& uploads = workspace_.uploads();
  uploads.Await(*workspace_.marks().taken);
  for (std::size_t i = 0; i < run.spec->inputs.size(); ++i) {
    if (GoesUpOnce(run.populations[i])) {
      continue;
    }
    PackInput(run, i, samples, workspace_.launch().samples, at, chunk.steps, staged[i]);
    const std::int64_t bytes =
        workspace_.launch().samples * run.plan->populations[i].size * chunk.steps * CudaInputBytes(run, i);
    uploads.Upload(workspace_.buffers().populations[i].landing, staged[i], Index(bytes));
  }
  uploads.Set(*workspace_.marks().landed);
  workspace_.work().Await(*workspace_.marks().landed);
  workspace_.work().Run(take);
  workspace_.work().Set(*workspace_.marks().taken);
}

void CudaPipeline::Fetch(const Chunk& chunk) {
  const CudaRun& run = workspace_.run();
  const CudaBuffers& buffers = workspace_.buffers();
  const CudaStaging::Slot& staged = workspace_.staging().slots[chunk.slot];
  const CudaMarks& marks = workspace_.marks();
  const std::int64_t rows = workspace_.launch().samples * chunk.steps;
  for (const std::unique_ptr<cuda::Mark>& fetched : marks.fetched) {
    workspace_.work().Await(*fetched);  // what left before is gone
  }
  workspace_.work().Run(LeavingProgram(workspace_.scene(), chunk.steps));
  workspace_.work().Set(*marks.left);
  cuda::Queue& downloads = workspace_.downloads();
  downloads.Await(*marks.left);
  const auto download = [&](float* to, const CudaOutput& from, std::int64_t size) {
    if (to != nullptr) {
      downloads.Download(to, from.leaving, Index(rows * size) * sizeof(float));
    }
  };
  for (std::size_t p = 0; p < staged.trajectories.size(); ++p) {
    download(staged.trajectories[p], buffers.probes[p].trajectory, run.probe(p).size);
  }
  for (std::size_t r = 0; r < staged.records.size(); ++r) {
    download(staged.records[r], buffers.records[r], run.RecordSize(r));
  }
  downloads.Download(staged.exceeded, buffers.exceeded_leaving, sizeof(std::int32_t));
  downloads.Set(*marks.fetched[chunk.slot]);
}

bool CudaPipeline::Finish(Chunk& finished) {
  finished = chunks_.front();
  workspace_.downloads().WaitFor(*workspace_.marks().fetched[finished.slot]);
  if (!finished.wide && *workspace_.staging().slots[finished.slot].exceeded != 0) {
    RollBack();
    wide_ = true;
    return false;
  }
  chunks_.pop_front();
  return true;
}

void CudaPipeline::RollBack() {
  if (chunks_.empty()) {
    return;
  }
  const Chunk oldest = chunks_.front();
  workspace_.WaitForAll();
  chunks_.clear();
  if (oldest.kept) {
    const CudaBuffers& buffers = workspace_.buffers();
    workspace_.work().Run(
        {cuda::Copy{buffers.state, buffers.snapshots[oldest.slot], Index(buffers.state_bytes)}});
  } else {
    Restart();
  }
}

void CudaPipeline::MoveFrom(CudaPipeline& other) {
  const CudaBuffers& from = other.workspace_.buffers();
  const CudaBuffers& to = workspace_.buffers();
  other.workspace_.WaitForAll();
  workspace_.work().Run({cuda::Copy{to.state, from.state, Index(to.state_bytes)}});
  workspace_.WaitForAll();
  wide_ = other.wide_;
  fresh_ = other.fresh_;
}

}  // namespace spikeserve::engine
