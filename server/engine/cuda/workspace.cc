#include "server/engine/cuda/workspace.h"

#include <algorithm>

#include "server/engine/cuda/layout/scratch.h"

namespace spikeserve::engine {

CudaWorkspace::CudaWorkspace(cuda::Device& device, const Plan& plan, const CudaWeights& weights,
                             const CheckedSpec& spec, const CudaLaunchShape& launch)
    : run_(plan, weights, spec),
      launch_(launch),
      memory_(device, Index(WorkspaceBytes(run_, launch_))),
      pinned_(device, Index(StagingBytes(run_, launch_)), true),
      constants_(MakeConstants(plan, *spec)),
      work_(device.NewQueue(cuda::QueueUse::kWork)),
      uploads_(device.NewQueue(cuda::QueueUse::kUpload)),
      downloads_(device.NewQueue(cuda::QueueUse::kDownload)) {
  CudaArena arena(memory_.data());
  buffers_ = LayOutBuffers(run_, launch_, arena);
  buffers_.scratch = memory_.data() + arena.used();
  CudaArena pinned(pinned_.data());
  staging_ = LayOutStaging(run_, launch_, pinned);
  if (UsesDigits(run_)) {
    work_->PrepareProducts();  // while a lack of memory may still be mended
  }
  UploadConstants();
  planes_ = FewestPlanes(run_);
  state_.program = StateProgram(scene(), 0, launch_.samples);
  inputs_.program = InputProgram(scene());
  MakeMarks();
}

// From memory that is not pinned: they go up once, and pinning takes longer than that.
void CudaWorkspace::UploadConstants() {
  std::vector<std::pair<float*, const std::vector<float>*>> uploads;
  for (std::size_t l = 0; l < constants_.size(); ++l) {
    const CudaLayerBuffers& layer = buffers_.layers[l];
    uploads.emplace_back(layer.bias, &constants_[l].bias);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      const TermConstants& term = constants_[l].terms[t];
      uploads.emplace_back(layer.terms[t].scale, &term.scale);
      uploads.emplace_back(layer.terms[t].readout_scale, &term.readout_scale);
      uploads.emplace_back(layer.terms[t].offset, &term.offset);
      if (layer.terms[t].weights != nullptr) {
        uploads.emplace_back(layer.terms[t].weights, FilterWeights(*run_.term_filters[l][t]));
      }
    }
  }
  for (std::size_t p = 0; p < buffers_.probes.size(); ++p) {
    if (buffers_.probes[p].weights != nullptr) {
      uploads.emplace_back(buffers_.probes[p].weights, FilterWeights(*run_.probe_filters[p]));
    }
  }
  for (const auto& [to, values] : uploads) {
    if (to != nullptr) {
      work_->Upload(to, values->data(), values->size() * sizeof(float));
    }
  }
  for (std::size_t l = 0; l < constants_.size(); ++l) {
    UploadMemory(l);
  }
  UploadStart();
  work_->Wait();
}

void CudaWorkspace::UploadMemory(std::size_t layer) {
  if (!run_.IsClosed(layer)) {
    return;
  }
  const MemoryConstants& memory = constants_[layer].memory;
  const CudaMemoryBuffers& to = buffers_.layers[layer].memory;
  const auto upload = [this]<typename T>(T* there, const std::vector<T>& values) {
    if (there != nullptr) {
      work_->Upload(there, values.data(), values.size() * sizeof(T));
    }
  };
  upload(to.bias, memory.bias);
  upload(to.ceiling, memory.ceiling);
  upload(to.unit, memory.unit);
  upload(to.shift, memory.shift);
  for (std::size_t t = 0; t < memory.offsets.size(); ++t) {
    upload(buffers_.layers[layer].terms[t].whole_offset, memory.offsets[t]);
  }
}

void CudaWorkspace::SetSpec(const CheckedSpec& spec) {
  const CheckedSpec before = std::exchange(run_.spec, spec);
  const RunSettings& settings = spec->settings;
  if (settings.seed == before->settings.seed &&
      settings.initial_voltage == before->settings.initial_voltage) {
    return;
  }
  for (std::size_t l = 0; l < constants_.size(); ++l) {
    constants_[l].voltage = StartVoltages(*run_.plan, run_.plan->layers[l], settings);
    if (run_.IsClosed(l)) {
      constants_[l].memory.SetStart(*run_.plan, run_.plan->layers[l], settings);
    }
  }
  closed_ = {};  // knows how far they may go from there
  UploadStart();
}

// What is copied stays as it is until the batch has ended.
void CudaWorkspace::UploadStart() {
  seed_ = run_.spec->settings.seed.value_or(0);
  if (buffers_.seed != nullptr) {
    work_->Upload(buffers_.seed, &seed_, sizeof(seed_));
  }
  for (std::size_t l = 0; l < constants_.size(); ++l) {
    if (float* const to = buffers_.layers[l].initial_voltage; to != nullptr) {
      work_->Upload(to, constants_[l].voltage.data(), constants_[l].voltage.size() * sizeof(float));
    }
    if (std::int64_t* const to = buffers_.layers[l].memory.start; to != nullptr) {
      const std::vector<std::int64_t>& start = constants_[l].memory.start;
      work_->Upload(to, start.data(), start.size() * sizeof(std::int64_t));
    }
  }
}

void CudaWorkspace::MakeMarks() {
  marks_.landed = uploads_->NewMark();
  marks_.taken = work_->NewMark();
  marks_.left = work_->NewMark();
  marks_.read = work_->NewMark();
  marks_.answered = downloads_->NewMark();
  for (std::unique_ptr<cuda::Mark>& fetched : marks_.fetched) {
    fetched = downloads_->NewMark();
  }
}

void CudaWorkspace::WaitForAll() {
  uploads_->Wait();
  work_->Wait();
  downloads_->Wait();
}

void CudaWorkspace::RunState() { RunPrepared(state_); }

void CudaWorkspace::RunInputs() { RunPrepared(inputs_); }

std::int64_t CudaWorkspace::ProgramBytes(const CudaRun& run, const CudaLaunchShape& launch) {
  const std::int64_t calls = MostCalls(run, launch);
  const std::int64_t kept =
      std::min<std::int64_t>(kMostCalls, static_cast<std::int64_t>(kMostChunks) * calls);
  return (kept + calls + MostClosedCalls(run, launch)) * static_cast<std::int64_t>(sizeof(cuda::Call));
}

void CudaWorkspace::RunChunk(std::int64_t steps, bool wide) {
  if (!chunks_.contains({steps, wide})) {
    cuda::Program program = ChunkProgram(scene(), steps, wide);
    MakeRoom(program.size());
    calls_ += program.size();
    chunks_[{steps, wide}].program = std::move(program);
  }
  RunPrepared(chunks_.at({steps, wide}));
}

void CudaWorkspace::Settle() {
  if (!run_.HasClosed()) {
    return;
  }
  do {
    if (closed_.program.empty()) {
      closed_.program = ClosedProgram(scene(), planes_);
    }
    RunPrepared(closed_);
    work_->Download(staging_.needed, buffers_.needed, planes_.size() * sizeof(std::int32_t));
    work_->Wait();
  } while (GrowPlanes());
}

// Whether the last program had too little room for digits; the next one has more.
bool CudaWorkspace::GrowPlanes() {
  bool grown = false;
  for (std::size_t i = 0; i < planes_.size(); ++i) {
    grown = grown || staging_.needed[i] > planes_[i];
    planes_[i] = std::max(planes_[i], staging_.needed[i]);
  }
  if (grown) {
    closed_ = {};
  }
  return grown;
}

// Clients choose how long chunks are: only so many programs and graphs are kept.
void CudaWorkspace::MakeRoom(std::size_t calls) {
  if (calls_ + calls > kMostCalls || chunks_.size() >= kMostChunks) {
    work_->Wait();
    chunks_.clear();
    calls_ = 0;
  }
}

void CudaWorkspace::RunPrepared(Prepared& prepared) {
  CaptureIfWorthIt(prepared);
  if (prepared.captured != nullptr) {
    work_->Replay(*prepared.captured);
  } else {
    work_->Run(prepared.program);
  }
  prepared.has_run = true;
}

// A graph is for speed alone: a program that does not become one still runs.
void CudaWorkspace::CaptureIfWorthIt(Prepared& prepared) {
  const bool worth_it = prepared.has_run && prepared.program.size() <= kMostCaptured;
  if (!worth_it || prepared.captured != nullptr || prepared.refused) {
    return;
  }
  try {
    prepared.captured = work_->Capture(prepared.program);
  } catch (const cuda::DeviceError& error) {
    if (error.failure() != cuda::Failure::kRefused && error.failure() != cuda::Failure::kOutOfMemory) {
      throw;
    }
    prepared.refused = true;
  }
}

}  // namespace spikeserve::engine
