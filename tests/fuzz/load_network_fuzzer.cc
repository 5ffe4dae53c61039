// The bytes of an upload, through everything that a load does: parsing, every check, compiling, loading, a
// run. Whatever comes of it, it is an answer, and once the network is unloaded no memory is held for it.

#include <cstddef>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "server/serving/sha256.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

// Every probe with all that can be asked of a run.
engine::SimulationSpec SpecFor(const engine::Network& network) {
  engine::SimulationSpec spec;
  const double dt_s = network.definition().defaults.dt;
  spec.settings.dt_s = dt_s > 0 ? dt_s : spec.settings.dt_s;
  spec.settings.steps = 5;
  spec.settings.readout.skip_steps = 2;
  spec.trajectories = true;
  spec.statistics = true;
  for (const std::int64_t input : network.inputs()) {
    const auto& kind = network.definition().operations[static_cast<std::size_t>(input)].kind;
    const bool bytes = std::get<engine::InputOperation>(kind).uint8_scale.has_value();
    spec.inputs.push_back({bytes ? engine::DataType::kUint8 : engine::DataType::kFloat32, false});
  }
  for (std::size_t probe = 0; probe < network.definition().probes.size(); ++probe) {
    spec.probes.push_back(static_cast<std::int64_t>(probe));
  }
  return spec;
}

void RunOnce(FuzzServer& server, const serving::NetworkEntry& entry) {
  auto checked = engine::CheckedSpec::Create(*entry.network, SpecFor(*entry.network));
  Require(checked.ok(), "a loaded network can be asked for a run");
  const engine::CheckedSpec& spec = checked.value();
  const auto reservation = server.budget().Reserve(entry.resident->EstimateRunBytes(spec, 2), "the run");
  if (!reservation.ok()) {
    return;
  }
  // The first sample is all ones, as float32 or as bytes; the second holds nothing.
  const std::vector<float> ones(static_cast<std::size_t>(server.limits().network.max_elements), 1.0F);
  const std::vector<float> zeros(ones.size(), 0.0F);
  std::vector<engine::SampleInputs> samples(2);
  for (std::size_t input = 0; input < spec->inputs.size(); ++input) {
    samples[0].data.push_back(reinterpret_cast<const std::byte*>(ones.data()));
    samples[1].data.push_back(reinterpret_cast<const std::byte*>(zeros.data()));
  }
  auto simulation = entry.resident->NewSimulation(spec, samples);
  Require(simulation.ok(), "a loaded network can be run");
  Require(simulation.value()->Advance(2).ok() && simulation.value()->Advance(3).ok(),
          "a run reaches its end");
  const auto reading = simulation.value()->Read();
  Require(reading.ok() && reading.value().steps_done == 5, "a run can be read");
}

void LoadAndUnload(FuzzServer& server, const std::string& bytes, engine::Mode mode) {
  auto claim = server.loader().Begin("fuzzed", 1);
  Require(claim.ok(), "the name is free again");
  const auto loaded =
      server.loader().Load(std::move(claim).value(), {bytes, serving::Sha256(bytes), mode, {}});
  if (loaded.ok()) {
    RunOnce(server, *loaded.value());
  } else {
    Require(!loaded.status().message().empty(), "a refusal says why");
    Require(loaded.status().code() != StatusCode::kInternal, "no input is the server's own fault");
  }
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeserve;
  static auto* server = new fuzz::FuzzServer;  // lives as long as the process
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const engine::Mode mode :
       {engine::Mode::kExact, engine::Mode::kFast, engine::Mode::kReference, engine::Mode::kInt8}) {
    fuzz::LoadAndUnload(*server, bytes, mode);
    std::promise<void> unloaded;
    server->loader().Unload("fuzzed", 0, [&](const auto&) { unloaded.set_value(); });
    unloaded.get_future().wait();
    fuzz::Require(server->budget().used_bytes() == 0, "an unloaded network holds no memory");
  }
  return 0;
}
