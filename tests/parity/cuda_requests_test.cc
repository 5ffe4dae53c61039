// What a request may ask of the CUDA backend beyond plain answers, against the plain loops of the CPU by
// bytes: encodings, early exit, its own probes, corrected means; and reports on the way, while the device
// runs on. On the host in the role of a GPU in every order, and on the GPU where there is one.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/engine/network/neuron_models.h"
#include "server/engine/run/early_exit.h"
#include "tests/support/cuda_pairs.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using engine::EncodingKind;
using engine::ProbeQuantity;
using engine::Reading;

constexpr int kNetworks = 24;
constexpr std::int64_t kSamples = 6;

class CudaRequests : public CudaPair {
 protected:
  CudaRequests() : random_(Seed() + 77) { network_.spec.statistics = true; }

  std::vector<Sample> Samples() const {
    std::vector<Sample> samples = RandomSamples(network_, kSamples, Seed());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      samples[i].index = static_cast<std::int64_t>(3 * i + 5);  // of a request with others in it
    }
    return samples;
  }
  std::int64_t steps() const { return network_.spec.settings.steps; }
  std::vector<std::int64_t> RandomChunks() {
    std::vector<std::int64_t> chunks;
    for (std::int64_t left = steps(); left > 0; left -= chunks.back()) {
      chunks.push_back(random_.Between(1, std::min<std::int64_t>(left, 11)));
    }
    return chunks;
  }

  void ExpectSameRuns() {
    const std::vector<Sample> samples = Samples();
    const Reading wanted = Simulate(cpu_, network_.spec, samples);
    for (int times = 0; times < 3; ++times) {  // workspaces and graphs are used again
      ExpectSame(
          Simulate(cuda_, network_.spec, samples, times == 0 ? std::vector<std::int64_t>() : RandomChunks()),
          wanted);
    }
  }

  engine::Encoding RandomEncoding(EncodingKind kind) {
    engine::Encoding encoding;
    encoding.kind = kind;
    encoding.max_rate_hz = random_.Uniform(0.02, 0.9) / network_.spec.settings.dt_s;
    encoding.window_steps = random_.Between(2, 9);
    encoding.max_spikes = random_.Between(1, encoding.window_steps);
    encoding.min_gap = 1;
    encoding.max_gap = random_.Between(1, encoding.window_steps);
    return encoding;
  }

  Random random_;
};

TEST_P(CudaRequests, EncodeInputs) {
  for (const EncodingKind kind : {EncodingKind::kPoisson, EncodingKind::kBernoulli, EncodingKind::kRegular,
                                  EncodingKind::kLatency, EncodingKind::kBurst}) {
    for (engine::InputFormat& format : network_.spec.inputs) {
      format.per_step = false;
      format.encoding = RandomEncoding(kind);
    }
    network_.spec.settings.seed = Seed() * 1000003;
    ExpectSameRuns();
  }
}

// Batches that differ in their start alone, one after the other in the same buffers.
TEST_P(CudaRequests, StartFromOtherSeedsAndVoltages) {
  for (engine::InputFormat& format : network_.spec.inputs) {
    format.per_step = false;
    format.encoding = RandomEncoding(EncodingKind::kPoisson);
  }
  engine::RunSettings& settings = network_.spec.settings;
  const std::vector<std::optional<engine::InitialVoltage>> voltages = {
      std::nullopt, engine::UniformVoltage{5}, engine::ConstantVoltage{0.25}, engine::ZeroVoltage{}};
  for (const std::optional<std::uint64_t> seed : {std::optional<std::uint64_t>{}, {Seed()}, {~Seed()}}) {
    for (const std::optional<engine::InitialVoltage>& voltage : voltages) {
      settings.seed = seed;
      settings.initial_voltage = voltage;
      ExpectSameRuns();
    }
  }
}

TEST_P(CudaRequests, MixEncodedInputsWithOthers) {
  for (std::size_t i = 0; i < network_.spec.inputs.size(); i += 2) {
    network_.spec.inputs[i].per_step = false;
    network_.spec.inputs[i].encoding = RandomEncoding(EncodingKind::kPoisson);
  }
  network_.spec.trajectories = true;
  ExpectSameRuns();
}

// The margin is one that about half of the samples reach.
TEST_P(CudaRequests, StopEarly) {
  const std::vector<Sample> samples = Samples();
  for (std::size_t p = 0; p < network_.spec.probes.size(); ++p) {
    const Reading whole = Simulate(cpu_, network_.spec, samples);
    const auto size = static_cast<std::size_t>(whole.probes[p].size);
    std::vector<double> margins;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      margins.push_back(engine::Margin(std::span(whole.probes[p].values).subspan(i * size, size)));
    }
    std::nth_element(margins.begin(), margins.begin() + 3, margins.end());
    network_.spec.early_exit =
        engine::EarlyExit{static_cast<std::int64_t>(p), random_.Between(1, steps()), random_.Between(1, 6),
                          random_.Chance(0.5) ? margins[3] : margins[3] / 2};
    ExpectSameRuns();
  }
}

TEST_P(CudaRequests, CorrectMeans) {
  network_.spec.settings.readout.kind = engine::ReadoutKind::kCorrectedMean;
  ExpectSameRuns();
  network_.spec.early_exit = engine::EarlyExit{0, 2, 3, 0.1};
  ExpectSameRuns();
}

TEST_P(CudaRequests, BringProbes) {
  const std::vector<engine::OperationDefinition>& operations = network_.definition.operations;
  std::vector<engine::RequestProbe>& probes = network_.spec.request_probes;
  for (std::size_t o = 0; o < operations.size(); ++o) {
    const auto* neurons = std::get_if<engine::NeuronOperation>(&operations[o].kind);
    if (neurons == nullptr) {
      continue;
    }
    std::vector<ProbeQuantity> quantities = {ProbeQuantity::kOutput, ProbeQuantity::kCurrent};
    if (engine::IsSpiking(neurons->model)) {
      quantities.push_back(ProbeQuantity::kSpikes);
    }
    if (engine::HasVoltage(neurons->model)) {
      quantities.push_back(ProbeQuantity::kVoltage);
    }
    for (const ProbeQuantity quantity : quantities) {
      engine::RequestProbe probe{static_cast<std::int64_t>(o), quantity, {}, {}};
      if (random_.Chance(0.5)) {
        probe.filter_tau_s = random_.Uniform(0.001, 0.02);
      }
      probe.recording.reduction = random_.Pick(std::vector{engine::Reduction::kNone, engine::Reduction::kMean,
                                                           engine::Reduction::kSum, engine::Reduction::kLast,
                                                           engine::Reduction::kMax});
      probe.recording.first_step = random_.Between(1, 5);
      probe.recording.every = random_.Between(1, 3);
      probes.push_back(probe);
    }
  }
  for (const std::int64_t index : network_.spec.probes) {  // what a probe of the network reads
    const std::string& target = network_.definition.probes[static_cast<std::size_t>(index)].target;
    for (std::size_t o = 0; o < operations.size(); ++o) {
      if (operations[o].name == target) {
        probes.push_back({static_cast<std::int64_t>(o), ProbeQuantity::kOutput, {}, {}});
      }
    }
  }
  ExpectSameRuns();
  network_.spec.trajectories = true;
  ExpectSameRuns();
}

// The device runs ahead of each report, and is called back where the caller wants fewer steps or another
// look.
TEST_P(CudaRequests, ReportOnTheWay) {
  network_.spec.trajectories = random_.Chance(0.5);
  const std::vector<Sample> samples = Samples();
  std::vector<engine::SampleInputs> inputs = InputsOf(samples);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].index = *samples[i].index;
  }
  const auto cuda = NewSimulation(*cuda_.network, network_.spec, inputs);
  const auto cpu = NewSimulation(*cpu_.network, network_.spec, inputs);
  ASSERT_TRUE(cuda.ok() && cpu.ok()) << cuda.status().message();
  ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());
  for (const std::int64_t chunk : RandomChunks()) {
    ASSERT_TRUE(cuda.value()->Advance(chunk).ok() && cpu.value()->Advance(chunk).ok());
    for (std::int64_t looks = random_.Between(0, 2); looks > 0; --looks) {
      ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());
    }
  }
  ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());
}

SPIKESERVE_CUDA_PAIRS(CudaRequests, kNetworks);

}  // namespace
}  // namespace spikeserve::testing
