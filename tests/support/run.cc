#include "tests/support/run.h"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include "server/engine/make_backend.h"
#include "tests/support/cuda_backends.h"

namespace spikeserve::testing {
namespace {

void Check(const Status& status) {
  if (status.code() == StatusCode::kUnimplemented) {
    throw Unimplemented(status.message());
  }
  if (!status.ok()) {
    throw std::runtime_error("the engine refuses: " + status.message());
  }
}

template <typename T>
T Checked(Result<T> result) {
  Check(result.status());
  return std::move(result).value();
}

std::unique_ptr<engine::Backend> MakeTestBackend(std::int64_t threads, engine::CpuPath path) {
  const char* const named = std::getenv("SPIKESERVE_TEST_BACKEND");
  const std::string kind = named != nullptr ? named : "cpu";
  if (kind == "cuda-host") {
    return MakeHostTwin();
  }
  return Checked(engine::MakeBackend({.kind = kind, .threads = threads, .cpu_path = path}));
}

}  // namespace

Loaded Load(engine::NetworkDefinition definition, engine::Mode mode, std::int64_t threads,
            engine::CpuPath path) {
  auto network =
      std::make_shared<engine::Network>(Checked(engine::Network::Create(std::move(definition), {})));
  Loaded loaded;
  loaded.backend = MakeTestBackend(threads, path);
  loaded.network = Checked(loaded.backend->Load(std::move(network), mode));
  return loaded;
}

Result<std::unique_ptr<engine::Simulation>> NewSimulation(const engine::ResidentNetwork& network,
                                                          const engine::SimulationSpec& spec,
                                                          std::span<const engine::SampleInputs> samples) {
  const Result<engine::CheckedSpec> checked = engine::CheckedSpec::Create(network.network(), spec);
  if (!checked.ok()) {
    return checked.status();
  }
  return network.NewSimulation(checked.value(), samples);
}

std::int64_t EstimateRunBytes(const engine::ResidentNetwork& network, const engine::SimulationSpec& spec,
                              std::int64_t samples) {
  return network.EstimateRunBytes(Checked(engine::CheckedSpec::Create(network.network(), spec)), samples);
}

engine::Reading Simulate(const Loaded& loaded, const engine::SimulationSpec& spec,
                         const std::vector<Sample>& samples, const std::vector<std::int64_t>& chunks) {
  std::vector<engine::SampleInputs> inputs(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    inputs[i].index = samples[i].index.value_or(static_cast<std::int64_t>(i));
    for (const std::vector<std::byte>& input : samples[i].inputs) {
      inputs[i].data.push_back(input.data());
    }
  }
  const std::unique_ptr<engine::Simulation> simulation =
      Checked(NewSimulation(*loaded.network, spec, inputs));
  for (const std::int64_t steps : chunks.empty() ? std::vector{spec.settings.steps} : chunks) {
    Check(simulation->Advance(steps));
  }
  return Checked(simulation->Read());
}

}  // namespace spikeserve::testing
