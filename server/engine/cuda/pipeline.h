#pragma once

#include <cstdint>
#include <deque>
#include <span>

#include "server/engine/cuda/workspace.h"

namespace spikeserve::engine {

// Chunks of a batch on their way through a workspace, up to kCudaSlots at a time: the inputs of the next go
// up and the results of the one before come down while one is computed. Narrow until a count is too large for
// float16, then wide. All methods may throw cuda::DeviceError. One thread at a time.
class CudaPipeline {
 public:
  struct Chunk {
    std::int64_t steps = 0;
    std::size_t slot = 0;  // of the staging: where its results are once it is finished
    bool wide = false;
    bool kept = false;  // a snapshot holds the state before it
  };

  explicit CudaPipeline(CudaWorkspace& workspace) : workspace_(workspace) {}

  // Uploads inputs that go up once and computes what they cause. Nothing is on its way.
  void Feed(std::span<const SampleInputs> samples);
  // Every sample to step 0.
  void Restart();
  // `samples` to step 0.
  void Restart(std::span<const std::int64_t> samples);

  bool full() const { return chunks_.size() == kCudaSlots; }
  bool empty() const { return chunks_.empty(); }
  // How many are on their way.
  std::int64_t steps() const;
  // Puts the next `steps` steps on their way, whose inputs begin at step `at` of those of the samples. With
  // `may_return`, RollBack can take them back.
  void Issue(std::span<const SampleInputs> samples, std::int64_t at, std::int64_t steps, bool may_return);
  // Waits for the oldest chunk. False: its counts were too large; it and what came after it are taken back,
  // and what is issued from now on is wide.
  bool Finish(Chunk& finished);
  // Takes back all that is on its way.
  void RollBack();
  // Goes on in another workspace, with the state of this one.
  void MoveFrom(CudaPipeline& other);

 private:
  void UploadInputs(std::span<const SampleInputs> samples, std::int64_t at, const Chunk& chunk);
  void Fetch(const Chunk& chunk);

  CudaWorkspace& workspace_;
  std::deque<Chunk> chunks_;
  std::size_t next_slot_ = 0;
  bool wide_ = false;
  bool fresh_ = true;  // every sample is at step 0, behind what is on its way
};

}  // namespace spikeserve::engine
