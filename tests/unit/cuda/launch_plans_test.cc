// Launch plans of real networks, on cards from 4 MB of L2 to a Hopper: every batch either runs within the
// memory and the index ranges of the card, or is refused because it cannot.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/engine/cuda_planner.h"
#include "server/engine/cuda_program.h"
#include "tests/bench/gpu/cases.h"
#include "tests/support/cuda_backends.h"
#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"

namespace spikeserve::testing {
namespace {

using engine::CudaLaunchPlan;
using engine::CudaRun;

constexpr std::int64_t kMega = std::int64_t{1} << 20;
constexpr std::int64_t kMost31 = (std::int64_t{1} << 31) - 1;
constexpr std::int64_t kLeastBlock = 128;  // threads of a block, the fewest of any kernel

struct Card {
  std::string name;
  std::int64_t memory_mega, l2_mega;
};

const std::vector<Card> kCards = {{"Turing with 1 GB", 1 << 10, 4}, {"Turing", 16 << 10, 4},
                                  {"Ampere", 80 << 10, 40},         {"H100", 80 << 10, 50},
                                  {"H200", 141 << 10, 60},          {"without a known L2", 8 << 10, 0}};

cuda::DeviceLimits LimitsOf(const Card& card) {
  cuda::DeviceLimits limits;
  limits.memory_bytes = card.memory_mega * kMega;
  limits.l2_bytes = card.l2_mega * kMega;
  limits.product_workspace_bytes = 32 * kMega;
  return limits;
}

// Blocks of the grid, and rows of the product, that a call asks for.
std::int64_t Lines(const cuda::FillZero&) { return 0; }
std::int64_t Lines(const cuda::Copy&) { return 0; }
std::int64_t Lines(const cuda::DigitProduct& product) { return product.rows; }
std::int64_t Lines(const cuda::Activity& activity) { return activity.samples; }
std::int64_t Lines(const cuda::Scan& scan) {
  return scan.samples * ((scan.size + kLeastBlock - 1) / kLeastBlock);
}
template <typename Work>  // kernels that loop over what their grid does not cover
std::int64_t Lines(const Work&) {
  return 0;
}

// A network on a device of the host, which holds the weights so that programs can point to them.
class PlannedNetwork {
 public:
  explicit PlannedNetwork(engine::NetworkDefinition definition)
      : network_(
            std::make_shared<engine::Network>(engine::Network::Create(std::move(definition), {}).value())),
        plan_(engine::Compile(network_).value()),
        device_(LimitsOf(kCards[1])),
        weights_(device_, plan_) {}

  void ExpectPlans(const engine::SimulationSpec& spec, const std::vector<std::int64_t>& batches) const {
    const CudaRun run(plan_, weights_, spec);
    for (const Card& card : kCards) {
      for (const std::int64_t batch : batches) {
        SCOPED_TRACE(::testing::Message() << batch << " samples on " << card.name);
        ExpectPlan(run, batch, LimitsOf(card));
      }
    }
  }

 private:
  void ExpectPlan(const CudaRun& run, std::int64_t batch, const cuda::DeviceLimits& limits) const {
    engine::CudaDemand demand = engine::DemandOf(run);
    demand.fixed_bytes += weights_.bytes() + limits.product_workspace_bytes;
    const Result<CudaLaunchPlan> planned = engine::PlanCudaLaunch(demand, batch, limits);
    if (!planned.ok()) {
      EXPECT_EQ(planned.status().code(), StatusCode::kResourceExhausted);
      EXPECT_GT(BytesOf(run, {engine::BatchBucket(batch), 1, 1}, limits), limits.memory_bytes)
          << "refused though it fits";
      return;
    }
    const CudaLaunchPlan& launch = planned.value();
    EXPECT_GE(launch.samples, batch);
    EXPECT_TRUE(launch.group >= 1 && launch.group <= launch.samples) << launch.group;
    EXPECT_TRUE(launch.chunk >= 1 && launch.chunk <= run.spec.settings.steps) << launch.chunk;
    EXPECT_LE(BytesOf(run, launch, limits), limits.memory_bytes);
    ExpectWithinGrids(run, launch);
  }

  // All that a batch takes on the device.
  std::int64_t BytesOf(const CudaRun& run, const CudaLaunchPlan& launch,
                       const cuda::DeviceLimits& limits) const {
    return engine::WorkspaceBytes(run, launch) + weights_.bytes() + limits.product_workspace_bytes;
  }

  // Lays out buffers without memory: programs only point to them.
  void ExpectWithinGrids(const CudaRun& run, const CudaLaunchPlan& launch) const {
    engine::CudaArena arena;
    const engine::CudaBuffers buffers = engine::LayOutBuffers(run, launch, arena);
    const std::vector<engine::LayerConstants> constants = engine::MakeConstants(plan_, run.spec);
    const engine::CudaScene scene{run, launch, buffers, constants};
    const std::vector<float> factors(run.spec.probes.size(), 1.0F);
    const engine::CudaReadRange all{0, launch.samples, 1, factors};
    ExpectWithinGrids(engine::StateProgram(scene, 0, launch.samples));
    ExpectWithinGrids(engine::InputProgram(scene));
    ExpectWithinGrids(engine::ReadingProgram(scene, std::span(&all, 1)));
    for (const bool wide : {false, true}) {
      const cuda::Program program = engine::ChunkProgram(scene, launch.chunk, wide);
      ExpectWithinGrids(program);
      EXPECT_LE(static_cast<std::int64_t>(program.size()), engine::MostCalls(run, launch));
    }
  }

  static void ExpectWithinGrids(const cuda::Program& program) {
    for (const cuda::Call& call : program) {
      ASSERT_LE(std::visit([](const auto& work) { return Lines(work); }, call), kMost31);
    }
  }

  const std::shared_ptr<const engine::Network> network_;
  const engine::Plan plan_;
  cuda::HostDevice device_;
  const engine::CudaWeights weights_;
};

engine::SimulationSpec SpecOf(const bench::Case& one, bool per_step) {
  engine::SimulationSpec spec;
  spec.settings.steps = one.steps;
  spec.inputs = {{engine::DataType::kFloat32, per_step}};
  spec.probes = {0};
  spec.trajectories = per_step;
  spec.statistics = per_step;
  return spec;
}

// The large dense network is not among them: its weights alone take as long as all other tests here.
class BenchPlans : public ::testing::TestWithParam<std::string> {};

TEST_P(BenchPlans, FitEveryCard) {
  const std::vector<bench::Case> cases = bench::MakeCases(GetParam());
  ASSERT_EQ(cases.size(), 1U);
  const PlannedNetwork planned(cases[0].definition);
  for (const bool per_step : {false, true}) {
    planned.ExpectPlans(SpecOf(cases[0], per_step), {1, 3, 32, 100, 256, 4096});
  }
}

std::string CaseName(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

INSTANTIATE_TEST_SUITE_P(Cases, BenchPlans, ::testing::Values("mlp_784_128_10", "fashion_cnn", "vgg16_cifar"),
                         CaseName);

TEST(LaunchPlans, OfTheParityTableFitEveryCard) {
  constexpr std::uint64_t kNetworks = 60;
  constexpr std::uint64_t kImageNetworks = 12;
  for (std::uint64_t seed = 1; seed <= kNetworks + kImageNetworks; ++seed) {
    SCOPED_TRACE(::testing::Message() << "network " << seed);
    RandomNetwork network = seed <= kNetworks ? MakeRandomNetwork(seed) : MakeRandomCnn(seed - kNetworks);
    network.spec.trajectories = seed % 2 == 0;
    network.spec.statistics = seed % 3 == 0;
    PlannedNetwork(std::move(network.definition)).ExpectPlans(network.spec, {1, 7, 4096});
  }
}

}  // namespace
}  // namespace spikeserve::testing
