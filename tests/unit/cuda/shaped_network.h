#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/engine/cuda/layout/closed_program.h"
#include "server/engine/cuda/layout/launch_shape.h"
#include "server/engine/cuda/layout/program.h"
#include "server/engine/cuda/layout/scratch.h"
#include "server/engine/plan/compile.h"

// Launch shapes of real networks on real cards, without any device.
namespace spikeserve::testing {

using engine::CudaLaunchShape;
using engine::CudaRun;

constexpr std::int64_t kMega = std::int64_t{1} << 20;
constexpr std::int64_t kMost31 = (std::int64_t{1} << 31) - 1;
constexpr std::int64_t kLeastBlock = 128;  // threads of a block, the fewest of any kernel

struct Card {
  std::string name;
  std::int64_t memory_mega, l2_mega;
};

inline const std::vector<Card> kCards = {
    {"Turing with 1 GB", 1 << 10, 4}, {"Turing", 16 << 10, 4}, {"Ampere", 80 << 10, 40},
    {"H100", 80 << 10, 50},           {"H200", 141 << 10, 60}, {"without a known L2", 8 << 10, 0}};

inline cuda::DeviceLimits LimitsOf(const Card& card) {
  cuda::DeviceLimits limits;
  limits.memory_bytes = card.memory_mega * kMega;
  limits.l2_bytes = card.l2_mega * kMega;
  limits.product_workspace_bytes = 32 * kMega;
  return limits;
}

// Blocks of the grid, and rows of the product, that a call asks for.
inline std::int64_t Lines(const cuda::FillZero&) { return 0; }
inline std::int64_t Lines(const cuda::Copy&) { return 0; }
inline std::int64_t Lines(const cuda::DigitProduct& product) { return product.rows; }
inline std::int64_t Lines(const cuda::Activity& activity) { return activity.samples; }
inline std::int64_t Lines(const cuda::Scan& scan) {
  return scan.samples * ((scan.size + kLeastBlock - 1) / kLeastBlock);
}
inline std::int64_t Lines(const cuda::ByteProduct& product) { return product.rows; }
inline std::int64_t Lines(const cuda::MemoryNeurons& neurons) {
  return neurons.samples * ((neurons.stride + kLeastBlock - 1) / kLeastBlock);
}
template <typename Work>  // kernels that loop over what their grid does not cover
std::int64_t Lines(const Work&) {
  return 0;
}

// A compiled network whose launches get a shape, without its weights on any device.
class ShapedNetwork {
 public:
  explicit ShapedNetwork(engine::NetworkDefinition definition)
      : network_(
            std::make_shared<engine::Network>(engine::Network::Create(std::move(definition), {}).value())),
        plan_(engine::Compile(network_).value()),
        weights_(plan_) {}

  void ExpectShapes(const engine::SimulationSpec& spec, const std::vector<std::int64_t>& batches) const {
    const CudaRun run = RunOf(spec);
    for (const Card& card : kCards) {
      for (const std::int64_t batch : batches) {
        SCOPED_TRACE(::testing::Message() << batch << " samples on " << card.name);
        ExpectShape(run, batch, LimitsOf(card));
      }
    }
  }

  // Groups are as large as the L2 has room for, or as a product needs to keep all processors busy.
  void ExpectFullGroups(const engine::SimulationSpec& spec, std::int64_t batch, const Card& card) const {
    const CudaRun run = RunOf(spec);
    const cuda::DeviceLimits limits = LimitsOf(card);
    const CudaLaunchShape launch = Shape(run, batch, limits).value();
    const std::int64_t hot = engine::DemandOf(run).hot_row_bytes;
    const bool alone = launch.rows() <= std::max(limits.least_rows, launch.chunk);
    EXPECT_TRUE(alone || launch.rows() * hot <= limits.l2_bytes) << launch.group << " x " << launch.chunk;
    const std::int64_t one_more = launch.rows() + launch.chunk;
    const bool full = one_more > limits.least_rows && one_more * hot > limits.l2_bytes / 4 * 3;
    EXPECT_TRUE(launch.group == launch.samples || full) << launch.group << " x " << launch.chunk;
  }

  // The least memory with which a batch gets a shape is found, holds it, and is just the least.
  void ExpectSmallestMemory(const engine::SimulationSpec& spec, std::int64_t batch) const {
    const CudaRun run = RunOf(spec);
    cuda::DeviceLimits limits = LimitsOf(kCards[3]);
    std::int64_t refused = 0;
    std::int64_t enough = std::int64_t{1} << 42;  // whatever the card has
    while (enough - refused > 1) {
      limits.memory_bytes = refused + (enough - refused) / 2;
      (Shape(run, batch, limits).ok() ? enough : refused) = limits.memory_bytes;
    }
    limits.memory_bytes = enough;
    const CudaLaunchShape launch = Shape(run, batch, limits).value();
    EXPECT_LE(BytesOf(run, launch, limits), enough);
    ExpectPrograms(run, launch);
    limits.memory_bytes = refused;
    EXPECT_EQ(Shape(run, batch, limits).status().code(), StatusCode::kResourceExhausted);
    const std::int64_t least = BytesOf(run, {engine::BatchBucket(batch), 1, 1}, limits);
    EXPECT_LE(enough - least, least / 50 + kMega);  // what rounding per row may add
  }

  std::int64_t weight_bytes() const { return weights_.bytes(); }
  // Elements of all matrices and filters.
  std::int64_t weight_count() const {
    std::int64_t count = 0;
    for (const engine::Layer& layer : plan_.layers) {
      for (const engine::Term& term : layer.terms) {
        count +=
            static_cast<std::int64_t>(std::max(term.product.integers.size(), term.product.floats.size()));
      }
    }
    return count;
  }

 private:
  CudaRun RunOf(const engine::SimulationSpec& spec) const {
    return {plan_, weights_, engine::CheckedSpec::Create(*network_, spec).value()};
  }

  Result<CudaLaunchShape> Shape(const CudaRun& run, std::int64_t batch,
                                const cuda::DeviceLimits& limits) const {
    engine::CudaDemand demand = engine::DemandOf(run);
    demand.fixed_bytes += weights_.bytes() + limits.product_workspace_bytes;
    return engine::ShapeCudaLaunch(demand, batch, limits);
  }

  void ExpectShape(const CudaRun& run, std::int64_t batch, const cuda::DeviceLimits& limits) const {
    const Result<CudaLaunchShape> shape = Shape(run, batch, limits);
    if (!shape.ok()) {
      EXPECT_EQ(shape.status().code(), StatusCode::kResourceExhausted);
      EXPECT_GT(BytesOf(run, {engine::BatchBucket(batch), 1, 1}, limits), limits.memory_bytes)
          << "refused though it fits";
      return;
    }
    const CudaLaunchShape& launch = shape.value();
    EXPECT_GE(launch.samples, batch);
    EXPECT_TRUE(launch.group >= 1 && launch.group <= launch.samples) << launch.group;
    EXPECT_TRUE(launch.chunk >= 1 && launch.chunk <= run.spec->settings.steps) << launch.chunk;
    EXPECT_LE(BytesOf(run, launch, limits), limits.memory_bytes);
    ExpectPrograms(run, launch);
  }

  // All that a batch takes on the device.
  std::int64_t BytesOf(const CudaRun& run, const CudaLaunchShape& launch,
                       const cuda::DeviceLimits& limits) const {
    return engine::WorkspaceBytes(run, launch) + weights_.bytes() + limits.product_workspace_bytes;
  }

  // Lays out buffers without memory: programs only point to them.
  void ExpectPrograms(const CudaRun& run, const CudaLaunchShape& launch) const {
    engine::CudaArena arena;
    const engine::CudaBuffers buffers = engine::LayOutBuffers(run, launch, arena);
    const std::vector<engine::LayerConstants> constants = engine::MakeConstants(plan_, *run.spec);
    const engine::CudaScene scene{run, launch, buffers, constants};
    const std::vector<float> factors(run.spec->probes.size(), 1.0F);
    const engine::CudaReadRange all{0, launch.samples, 1, factors};
    ExpectWithinGrids(engine::StateProgram(scene, 0, launch.samples));
    ExpectWithinGrids(engine::InputProgram(scene));
    ExpectWithinGrids(engine::ReadingProgram(scene, std::span(&all, 1)));
    for (const bool wide : {false, true}) {
      const cuda::Program program = engine::ChunkProgram(scene, launch.chunk, wide);
      ExpectWithinGrids(program);
      EXPECT_LE(static_cast<std::int64_t>(program.size()), engine::MostCalls(run, launch));
      ExpectCover(run, launch, program);
    }
    if (run.HasClosed()) {
      engine::CudaPlanes planes = engine::FewestPlanes(run);
      ExpectClosed(scene, planes);
      planes.assign(planes.size(), cuda::kMostPlanes);
      ExpectClosed(scene, planes);
    }
  }

  // Blocks take every sample of every layer in closed form, once for each of its ages, and fit their buffers.
  void ExpectClosed(const engine::CudaScene& scene, const engine::CudaPlanes& planes) const {
    const cuda::Program program = engine::ClosedProgram(scene, planes);
    ExpectWithinGrids(program);
    EXPECT_LE(static_cast<std::int64_t>(program.size()), engine::MostClosedCalls(scene.run, scene.launch));
    std::vector<std::int64_t> samples(plan_.layers.size(), 0);
    const std::int64_t rows = engine::DigitRows(scene.launch.rows());
    for (const cuda::Call& call : program) {
      if (const auto* neurons = std::get_if<cuda::MemoryNeurons>(&call)) {
        samples[engine::Index(neurons->layer)] += neurons->samples;
        EXPECT_LE(neurons->samples, scene.launch.rows());
        EXPECT_TRUE(neurons->digits == nullptr || neurons->samples * neurons->room.planes <= rows);
      }
      if (const auto* product = std::get_if<cuda::ByteProduct>(&call)) {
        EXPECT_EQ(product->depth % cuda::kByteUnit + product->columns % cuda::kByteUnit, 0);
        EXPECT_EQ(product->stride % cuda::kByteUnit, 0);
        EXPECT_GE(product->stride, product->depth);
      }
    }
    for (std::size_t l = 0; l < samples.size(); ++l) {
      const auto ages = static_cast<std::int64_t>(scene.run.closed_layers[l].ages.size());
      EXPECT_EQ(samples[l], ages * scene.launch.samples) << "layer " << l;
    }
  }

  // The groups of a chunk take every sample of every layer through every step, once.
  void ExpectCover(const CudaRun& run, const CudaLaunchShape& launch, const cuda::Program& program) const {
    std::vector<std::int64_t> samples(plan_.layers.size(), 0);
    std::int64_t product_rows = 0;
    for (const cuda::Call& call : program) {
      if (const auto* scan = std::get_if<cuda::Scan>(&call); scan != nullptr && scan->base == nullptr) {
        samples[engine::Index(scan->layer)] += scan->samples;
        EXPECT_EQ(scan->steps, launch.chunk);
        EXPECT_LE(scan->samples, launch.group);
      }
      if (const auto* product = std::get_if<cuda::DigitProduct>(&call)) {
        product_rows += product->rows;
        EXPECT_EQ(product->depth % cuda::kHalfUnit + product->width % cuda::kHalfUnit, 0);
        EXPECT_GE(product->stride, product->depth);
      }
    }
    std::int64_t wanted_rows = 0;
    for (std::size_t l = 0; l < samples.size(); ++l) {
      EXPECT_EQ(samples[l], run.stepped[l] ? launch.samples : 0) << "layer " << l;
      for (std::size_t t = 0; t < plan_.layers[l].terms.size(); ++t) {
        const engine::CudaTerm& term = weights_.term(l, t);
        const bool conv = term.shape == cuda::ProductShape::kConv;
        wanted_rows += engine::UsesDigits(run, l, t)
                           ? launch.samples * launch.chunk * (conv ? cuda::Pixels(term.conv) : 1)
                           : 0;
      }
    }
    EXPECT_TRUE(product_rows == wanted_rows || product_rows == 0) << product_rows;  // 0: a wide program
  }

  static void ExpectWithinGrids(const cuda::Program& program) {
    for (const cuda::Call& call : program) {
      ASSERT_LE(std::visit([](const auto& work) { return Lines(work); }, call), kMost31);
    }
  }

  const std::shared_ptr<const engine::Network> network_;
  const engine::Plan plan_;
  const engine::CudaWeights weights_;
};

}  // namespace spikeserve::testing
