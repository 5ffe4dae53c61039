#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime/host_device.h"
#include "server/engine/cuda/backend.h"
#include "server/engine/make_backend.h"
#include "tests/support/run.h"

// The CUDA backend for tests: on the host in place of a GPU, or on the GPU of this machine.
namespace spikeserve::testing {

inline std::unique_ptr<engine::Backend> MakeCpu(engine::CpuPath path = engine::CpuPath::kAuto) {
  return engine::MakeBackend({.kind = "cpu", .threads = 1, .cpu_path = path}).value();
}

// A small device: its L2 makes groups of a few samples, so that their seams are crossed.
inline cuda::DeviceLimits SmallLimits() {
  cuda::DeviceLimits limits;
  limits.memory_bytes = std::int64_t{1} << 30;
  limits.l2_bytes = 16 << 10;
  limits.least_rows = 1;
  return limits;
}

inline std::vector<std::unique_ptr<cuda::Device>> OneDevice(std::unique_ptr<cuda::Device> device) {
  std::vector<std::unique_ptr<cuda::Device>> devices;
  devices.push_back(std::move(device));
  return devices;
}

inline std::unique_ptr<engine::Backend> MakeHostTwin(const cuda::DeviceLimits& limits = SmallLimits(),
                                                     cuda::HostOrder order = cuda::HostOrder::kAtOnce) {
  return std::make_unique<engine::CudaBackend>(OneDevice(std::make_unique<cuda::HostDevice>(limits, order)),
                                               MakeCpu());
}

// Null, and why, where this machine has no GPU that works.
inline std::unique_ptr<engine::Backend> MakeGpu(std::string& why_not) {
  Result<std::unique_ptr<engine::Backend>> gpu = engine::MakeBackend({.kind = "cuda", .threads = 1});
  if (!gpu.ok()) {
    why_not = gpu.status().message();
    return nullptr;
  }
  return std::move(gpu).value();
}

// `definition` on `backend`. Throws std::runtime_error with the engine's message where it refuses.
inline std::unique_ptr<engine::ResidentNetwork> LoadOn(const engine::Backend& backend,
                                                       engine::NetworkDefinition definition,
                                                       engine::Mode mode) {
  Result<engine::Network> network = engine::Network::Create(std::move(definition), {});
  if (!network.ok()) {
    throw std::runtime_error(network.status().message());
  }
  auto loaded = backend.Load(std::make_shared<engine::Network>(std::move(network).value()), mode);
  if (!loaded.ok()) {
    throw std::runtime_error(loaded.status().message());
  }
  return std::move(loaded).value();
}

inline std::vector<engine::SampleInputs> InputsOf(const std::vector<Sample>& samples) {
  std::vector<engine::SampleInputs> inputs(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    for (const std::vector<std::byte>& input : samples[i].inputs) {
      inputs[i].data.push_back(input.data());
    }
  }
  return inputs;
}

}  // namespace spikeserve::testing
