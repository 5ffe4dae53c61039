// Sessions on the CUDA backend against those of the CPU's plain loops, by bytes: pieces of random lengths
// with inputs of changing formats, single samples and all of them put back to the start.

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "server/engine/network/neuron_models.h"
#include "tests/support/cuda_pairs.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using engine::DataType;
using engine::InputFormat;

constexpr int kNetworks = 24;
constexpr std::size_t kSamples = 5;
constexpr int kPieces = 7;

class CudaSessions : public CudaPair {
 protected:
  CudaSessions() : random_(Seed() + 5) {}

  engine::SimulationSpec SessionSpec() {
    engine::SimulationSpec spec = network_.spec;
    spec.session = true;
    spec.statistics = true;
    spec.trajectories = random_.Chance(0.5);
    spec.settings.steps = std::int64_t{1} << 40;
    spec.settings.seed = Seed();
    for (std::size_t o = 0; o < network_.definition.operations.size(); ++o) {
      if (std::holds_alternative<engine::NeuronOperation>(network_.definition.operations[o].kind)) {
        spec.request_probes.push_back(
            {static_cast<std::int64_t>(o), engine::ProbeQuantity::kOutput, 0.005, {}});
      }
    }
    return spec;
  }

  std::vector<engine::InputOperation> InputOperations() const {
    std::vector<engine::InputOperation> inputs;
    for (const engine::OperationDefinition& operation : network_.definition.operations) {
      if (const auto* input = std::get_if<engine::InputOperation>(&operation.kind)) {
        inputs.push_back(*input);
      }
    }
    return inputs;
  }

  InputFormat RandomFormat(const engine::InputOperation& input) {
    std::vector<DataType> types = {DataType::kFloat32, DataType::kFloat64};
    if (input.uint8_scale) {  // else the network takes no bytes
      types.push_back(DataType::kUint8);
    }
    InputFormat format{random_.Pick(types), random_.Chance(0.4), std::nullopt};
    if (!format.per_step && random_.Chance(0.3)) {
      engine::Encoding encoding;
      encoding.kind = engine::EncodingKind::kPoisson;
      encoding.max_rate_hz = 0.05 / network_.spec.settings.dt_s;
      format.encoding = encoding;
    }
    return format;
  }

  std::vector<std::byte> RandomValues(DataType type, std::int64_t count) {
    const std::vector<float> values = random_.Floats(count, -1, 2);
    if (type == DataType::kFloat32) {
      return Bytes(values);
    }
    if (type == DataType::kFloat64) {
      return Bytes(std::vector<double>(values.begin(), values.end()));
    }
    std::vector<std::uint8_t> bytes;
    for (std::int64_t i = 0; i < count; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(random_.Below(256)));
    }
    return Bytes(bytes);
  }

  // Inputs for `steps` steps, which stay in values_.
  std::vector<engine::SampleInputs> Piece(const std::vector<InputFormat>& formats, std::int64_t steps) {
    const std::vector<engine::InputOperation> inputs = InputOperations();
    std::vector<engine::SampleInputs> piece(kSamples);
    values_.clear();
    values_.reserve(kSamples * formats.size());
    for (std::size_t s = 0; s < kSamples; ++s) {
      piece[s].index = static_cast<std::int64_t>(s) + 11;
      for (std::size_t i = 0; i < formats.size(); ++i) {
        const std::int64_t elements = engine::ElementCount(inputs[i].shape);
        values_.push_back(RandomValues(formats[i].type, elements * (formats[i].per_step ? steps : 1)));
        piece[s].data.push_back(values_.back().data());
      }
    }
    return piece;
  }

  std::vector<std::int64_t> RandomSamplesToReset() {
    std::vector<std::int64_t> all(kSamples);
    std::iota(all.begin(), all.end(), 0);
    if (random_.Chance(0.3)) {
      return all;
    }
    return {random_.Below(kSamples), random_.Below(kSamples)};
  }

  Random random_;
  std::vector<std::vector<std::byte>> values_;
};

TEST_P(CudaSessions, GiveTheBytesOfTheCpu) {
  const engine::SimulationSpec spec = SessionSpec();
  const engine::SampleInputs none{engine::InputAddresses(spec.inputs.size()), 0};
  const std::vector<engine::SampleInputs> nothing(kSamples, none);
  const auto cuda = NewSimulation(*cuda_.network, spec, nothing);
  const auto cpu = NewSimulation(*cpu_.network, spec, nothing);
  ASSERT_TRUE(cuda.ok() && cpu.ok()) << cuda.status().message();
  EXPECT_EQ(cuda.value()->Advance(1).code(), StatusCode::kFailedPrecondition);
  std::vector<InputFormat> formats = spec.inputs;
  for (int number = 0; number < kPieces; ++number) {
    const std::int64_t steps = random_.Between(1, 30);
    if (random_.Chance(0.7)) {
      for (std::size_t i = 0; i < formats.size(); ++i) {
        formats[i] = RandomFormat(InputOperations()[i]);
      }
    }
    const std::vector<engine::SampleInputs> piece = Piece(formats, steps);
    const std::int64_t first = random_.Between(1, steps);
    for (engine::Simulation* simulation : {cuda.value().get(), cpu.value().get()}) {
      ASSERT_TRUE(simulation->Feed(formats, piece).ok());
      ASSERT_TRUE(simulation->Advance(first).ok());
      ASSERT_TRUE(first == steps || simulation->Advance(steps - first).ok());
    }
    ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());
    if (random_.Chance(0.5)) {
      const std::vector<std::int64_t> again = RandomSamplesToReset();
      ASSERT_TRUE(cuda.value()->Reset(again).ok() && cpu.value()->Reset(again).ok());
      ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());
      EXPECT_EQ(cuda.value()->Advance(1).code(), StatusCode::kFailedPrecondition);
    }
  }
}

TEST_P(CudaSessions, RefuseWhatDoesNotFit) {
  const engine::SimulationSpec spec = SessionSpec();
  const engine::SampleInputs none{engine::InputAddresses(spec.inputs.size()), 0};
  const auto session = NewSimulation(*cuda_.network, spec, std::vector<engine::SampleInputs>(kSamples, none));
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session.value()->Feed(spec.inputs, {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(session.value()->Feed({}, Piece(spec.inputs, 3)).code(), StatusCode::kInvalidArgument);
  engine::SimulationSpec plain = network_.spec;
  const std::vector<engine::SampleInputs> piece = Piece(plain.inputs, plain.settings.steps);
  const auto run = NewSimulation(*cuda_.network, plain, piece);
  EXPECT_EQ(run.value()->Feed(plain.inputs, piece).code(), StatusCode::kFailedPrecondition);
}

SPIKESERVE_CUDA_PAIRS(CudaSessions, kNetworks);

}  // namespace
}  // namespace spikeserve::testing
