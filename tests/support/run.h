#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "server/engine/cpu/cpu_path.h"
#include "server/engine/run/backend.h"

// Loads and runs networks in tests, failing the test where the engine refuses.
namespace spikeserve::testing {

// The bytes of one sample, one vector per Input operation, and its place in its request; absent: in the
// batch.
struct Sample {
  std::vector<std::vector<std::byte>> inputs;
  std::optional<std::int64_t> index = std::nullopt;
};

// Values as the bytes of an input of their type.
template <typename T>
std::vector<std::byte> Bytes(std::span<const T> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  return {bytes.begin(), bytes.end()};
}
template <typename T>
std::vector<std::byte> Bytes(const std::vector<T>& values) {
  return Bytes(std::span<const T>(values));
}

// A resident network with the backend it is on.
struct Loaded {
  std::unique_ptr<engine::Backend> backend;
  std::unique_ptr<engine::ResidentNetwork> network;
};

// Thrown where a backend has no kernels for a network.
class Unimplemented : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// On the CPU, or where $SPIKESERVE_TEST_BACKEND says: cuda, or cuda-host for the CUDA backend on host loops.
// Throws Unimplemented or another std::runtime_error, with the engine's message, where it refuses.
Loaded Load(engine::NetworkDefinition definition, engine::Mode mode, std::int64_t threads = 1,
            engine::CpuPath path = engine::CpuPath::kAuto);

// What a network's own functions of these names say of a specification that is not checked yet; refused where
// the check refuses it.
Result<std::unique_ptr<engine::Simulation>> NewSimulation(const engine::ResidentNetwork& network,
                                                          const engine::SimulationSpec& spec,
                                                          std::span<const engine::SampleInputs> samples);
// Throws std::runtime_error where the specification is refused.
std::int64_t EstimateRunBytes(const engine::ResidentNetwork& network, const engine::SimulationSpec& spec,
                              std::int64_t samples);

// All samples in one simulation, advanced by `chunks` in turn; empty: by all steps at once.
engine::Reading Simulate(const Loaded& loaded, const engine::SimulationSpec& spec,
                         const std::vector<Sample>& samples, const std::vector<std::int64_t>& chunks = {});

}  // namespace spikeserve::testing
