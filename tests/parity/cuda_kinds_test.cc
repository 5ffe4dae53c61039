// Every neuron type with every synapse on the CUDA backend against the plain loops of the CPU, by bytes: the
// table of what a network may have, none left to chance.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/engine/network/neuron_models.h"
#include "tests/support/cuda_backends.h"
#include "tests/support/definitions.h"
#include "tests/support/every_kind.h"
#include "tests/support/random.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::Reading;

constexpr std::int64_t kIn = 5, kHidden = 9, kOut = 3;
constexpr std::int64_t kSteps = 31;

std::vector<float> Weights(Random& random, std::int64_t count) { return random.Floats(count, -0.6, 1); }

// input -> neurons of `model` -> neurons that integrate -> outputs; `synapse` behind the neurons and at the
// probes.
engine::NetworkDefinition MakeNetwork(const BusyModel& busy, const engine::Synapse& synapse,
                                      std::int64_t delay, double excitement) {
  Random random(3);
  engine::NetworkDefinition network;
  network.format_version = 1;
  const bool spiking = engine::IsSpiking(busy.model);
  network.operations = {
      {"input", engine::InputOperation{{kIn}, {}, {}}},
      {"dense", engine::AffineOperation{"w0", ""}},
      {"first", engine::NeuronOperation{busy.model, busy.current * excitement, {}, {}}},
      {"between", engine::AffineOperation{"w1", ""}},
      {"second", engine::NeuronOperation{engine::IntegrateAndFire{1}, spiking ? 1.0 : 100.0, 20.0, {}}},
      {"output", engine::AffineOperation{"w2", ""}}};
  network.connections = {{"input", "dense", synapse, delay},
                         {"dense", "first", {}},
                         {"first", "between", synapse},
                         {"between", "second", {}},
                         {"second", "output", synapse, delay}};
  network.probes = {{"output", "output", engine::ProbeQuantity::kOutput, {}},
                    {"filtered", "output", engine::ProbeQuantity::kOutput, synapse, delay},
                    {"neurons", "first", engine::ProbeQuantity::kOutput, synapse, delay}};
  if (engine::HasVoltage(busy.model)) {
    network.probes.push_back({"voltage", "first", engine::ProbeQuantity::kVoltage, {}});
  }
  if (spiking) {
    network.probes.push_back({"spikes", "first", engine::ProbeQuantity::kSpikes, {}});
  }
  network.tensors = {Tensor("w0", {kHidden, kIn}, Weights(random, kHidden * kIn)),
                     Tensor("w1", {kHidden, kHidden}, Weights(random, kHidden * kHidden)),
                     Tensor("w2", {kOut, kHidden}, Weights(random, kOut * kHidden))};
  return network;
}

engine::SimulationSpec Spec(const engine::NetworkDefinition& network, bool per_step) {
  engine::SimulationSpec spec;
  spec.settings.steps = kSteps;
  spec.settings.seed = 12;
  spec.settings.readout.skip_steps = per_step ? 4 : 0;
  spec.inputs = {{engine::DataType::kFloat32, per_step}};
  for (std::size_t p = 0; p < network.probes.size(); ++p) {
    spec.probes.push_back(static_cast<std::int64_t>(p));
  }
  spec.statistics = true;
  spec.trajectories = per_step;
  return spec;
}

std::vector<Sample> Samples(bool per_step) {
  Random random(4);
  std::vector<Sample> samples;
  for (const std::int64_t place : {6, 0, 3}) {  // anywhere in a larger request
    samples.push_back({{Bytes(random.Floats(kIn * (per_step ? kSteps : 1), -0.3, 1))}});
    samples.back().index = place;
  }
  return samples;
}

class CudaKinds : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string why_not;
    cuda_ = GetParam() == "HostLoops" ? MakeHostTwin() : MakeGpu(why_not);
    if (cuda_ == nullptr) {
      GTEST_SKIP() << why_not;
    }
  }

  void ExpectSame(const BusyModel& busy, const engine::Synapse& synapse, std::int64_t delay,
                  double excitement = 1) {
    const engine::NetworkDefinition network = MakeNetwork(busy, synapse, delay, excitement);
    const Loaded cuda{nullptr, LoadOn(*cuda_, network, Mode::kExact)};
    const Loaded cpu{nullptr, LoadOn(*cpu_, network, Mode::kExact)};
    for (const bool per_step : {false, true}) {
      const engine::SimulationSpec spec = Spec(network, per_step);
      const std::vector<Sample> samples = Samples(per_step);
      const Reading wanted = Simulate(cpu, spec, samples);
      for (const std::vector<std::int64_t>& chunks :
           std::vector<std::vector<std::int64_t>>{{}, {7, 1, 20, kSteps - 28}}) {
        const Reading got = Simulate(cuda, spec, samples, chunks);
        for (std::size_t i = 0; i < samples.size(); ++i) {
          ASSERT_EQ(got.sample_status[i].message(), wanted.sample_status[i].message());
          if (wanted.sample_status[i].ok()) {
            ASSERT_TRUE(ReadingBytes(got, i) == ReadingBytes(wanted, i))
                << "sample " << i << ", per step " << per_step << ", chunks " << chunks.size();
            busy_ += wanted.spikes[i] > 0 ? 1 : 0;
          } else {
            ++failed_;
          }
        }
      }
    }
  }

  std::unique_ptr<engine::Backend> cuda_;
  const std::unique_ptr<engine::Backend> cpu_ = MakeCpu(engine::CpuPath::kPlain);
  int busy_ = 0, failed_ = 0;
};

TEST_P(CudaKinds, EveryNeuronWithEverySynapse) {
  const std::vector<BusyModel> models = EveryModel();
  const std::vector<engine::Synapse> synapses = EverySynapse();
  for (std::size_t m = 0; m < models.size(); ++m) {
    for (std::size_t s = 0; s < synapses.size(); ++s) {
      SCOPED_TRACE(::testing::Message() << "model " << m << ", synapse " << s);
      ExpectSame(models[m], synapses[s], static_cast<std::int64_t>((m + s) % 3) * 2);
      if (HasFatalFailure()) {
        return;
      }
    }
  }
  EXPECT_EQ(failed_, 0);
  EXPECT_GT(busy_, static_cast<int>(models.size() * synapses.size()) * 10);  // of 12
}

// Counts beyond float16, sums beyond an int32, and beyond what is exact at all.
TEST_P(CudaKinds, EveryNeuronWhereCountsGrow) {
  const std::vector<BusyModel> models = EveryModel();
  const std::vector<engine::Synapse> synapses = EverySynapse();
  for (const double excitement : {30.0, 3000.0, 1e6, 1e30}) {
    for (std::size_t m = 0; m < models.size(); ++m) {
      SCOPED_TRACE(::testing::Message() << "model " << m << ", " << excitement);
      ExpectSame(models[m], synapses[m % synapses.size()], 0, excitement);
      if (HasFatalFailure()) {
        return;
      }
    }
  }
  EXPECT_GT(failed_, 20);
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& row) { return row.param; }

INSTANTIATE_TEST_SUITE_P(HostLoops, CudaKinds, ::testing::Values("HostLoops"), NameOf);
#ifdef SPIKESERVE_CUDA  // skipped, with the reason, where there is no GPU
INSTANTIATE_TEST_SUITE_P(Gpu, CudaKinds, ::testing::Values("Gpu"), NameOf);
#endif

}  // namespace
}  // namespace spikeserve::testing
