// How batches are cut into launches.

#include "server/engine/cuda/layout/launch_shape.h"

#include <gtest/gtest.h>

namespace spikeserve::engine {
namespace {

constexpr std::int64_t kMega = std::int64_t{1} << 20;

cuda::DeviceLimits Hopper() {
  cuda::DeviceLimits limits;
  limits.memory_bytes = std::int64_t{80} << 30;
  limits.l2_bytes = 50 * kMega;
  return limits;
}

// A convolutional network in the range of a VGG at 32x32.
CudaDemand Convolutional() {
  CudaDemand demand;
  demand.steps = 100;
  demand.row_bytes = 4 * kMega;
  demand.hot_row_bytes = 2 * kMega;
  demand.sample_bytes = 6 * kMega;
  demand.fixed_bytes = 200 * kMega;
  demand.lines_per_row = 1024;
  return demand;
}

TEST(BatchBucket, WastesAtMostAQuarter) {
  std::int64_t last = 0;
  for (std::int64_t samples = 1; samples <= 10000; ++samples) {
    const std::int64_t bucket = BatchBucket(samples);
    ASSERT_GE(bucket, samples);
    ASSERT_LE(4 * (bucket - samples), bucket) << samples;
    ASSERT_GE(bucket, last);
    ASSERT_EQ(BatchBucket(bucket), bucket);
    last = bucket;
  }
  EXPECT_EQ(BatchBucket(0), 1);
  EXPECT_EQ(BatchBucket(4096), 4096);
}

TEST(ShapeCudaLaunch, RunsASmallNetworkInOnePiece) {
  CudaDemand demand;
  demand.steps = 100;
  demand.sample_bytes = 8192;
  const CudaLaunchShape shape = ShapeCudaLaunch(demand, 4096, Hopper()).value();
  EXPECT_EQ(shape, (CudaLaunchShape{4096, 4096, 100}));
}

TEST(ShapeCudaLaunch, KeepsGroupsInTheL2) {
  CudaDemand demand = Convolutional();
  demand.hot_row_bytes = kMega / 16;
  const CudaLaunchShape shape = ShapeCudaLaunch(demand, 256, Hopper()).value();
  EXPECT_EQ(shape.chunk, 100);
  EXPECT_EQ(shape.group, 6);
  EXPECT_LE(shape.rows() * demand.hot_row_bytes, Hopper().l2_bytes);
}

TEST(ShapeCudaLaunch, LeavesProductsEnoughRows) {
  const CudaLaunchShape shape = ShapeCudaLaunch(Convolutional(), 256, Hopper()).value();
  EXPECT_EQ(shape, (CudaLaunchShape{256, 1, 100}));
}

TEST(ShapeCudaLaunch, CutsLongRunsIntoChunks) {
  CudaDemand demand;
  demand.steps = 100000;
  demand.row_bytes = 1000;
  demand.hot_row_bytes = 1000;
  const CudaLaunchShape shape = ShapeCudaLaunch(demand, 3, Hopper()).value();
  EXPECT_EQ(shape.chunk, 1024);
  EXPECT_EQ(shape.group, 3);
}

TEST(ShapeCudaLaunch, BoundsWhatAChunkOfTheBatchTakes) {
  CudaDemand demand;
  demand.steps = 1000;
  demand.batch_step_bytes = 4 * 784;  // an input that varies
  const CudaLaunchShape shape = ShapeCudaLaunch(demand, 4096, Hopper()).value();
  EXPECT_EQ(shape.chunk, 20);
  EXPECT_LE(shape.chunk * shape.samples * demand.batch_step_bytes, 256 * kMega);
}

TEST(ShapeCudaLaunch, FitsWhatMemoryThereIs) {
  CudaDemand demand = Convolutional();
  cuda::DeviceLimits limits = Hopper();
  for (limits.memory_bytes = 300 * kMega; limits.memory_bytes < (std::int64_t{8} << 30);
       limits.memory_bytes *= 2) {
    const Result<CudaLaunchShape> shape = ShapeCudaLaunch(demand, 8, limits);
    ASSERT_TRUE(shape.ok());
    EXPECT_LE(demand.fixed_bytes + 8 * demand.sample_bytes + shape.value().rows() * demand.row_bytes,
              limits.memory_bytes);
  }
}

TEST(ShapeCudaLaunch, RefusesWhatDoesNotFitAndSaysWhatWould) {
  cuda::DeviceLimits limits = Hopper();
  limits.memory_bytes = 1000 * kMega;
  const Result<CudaLaunchShape> shape = ShapeCudaLaunch(Convolutional(), 256, limits);
  EXPECT_EQ(shape.status().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(shape.status().message().find("256 samples"), std::string::npos);
  EXPECT_NE(shape.status().message().find(std::to_string(limits.memory_bytes)), std::string::npos);
}

TEST(ShapeCudaLaunch, KeepsLinesWithin31Bits) {
  CudaDemand demand;
  demand.steps = 1000;
  demand.lines_per_row = std::int64_t{1} << 22;
  const CudaLaunchShape shape = ShapeCudaLaunch(demand, 4096, Hopper()).value();
  EXPECT_LE(shape.rows() * demand.lines_per_row, std::int64_t{1} << 30);
  EXPECT_GE(shape.rows(), 1);
}

TEST(ShapeCudaLaunch, WorksWithoutKnowingTheL2) {
  cuda::DeviceLimits limits = Hopper();
  limits.l2_bytes = 0;
  const CudaLaunchShape shape = ShapeCudaLaunch(Convolutional(), 2, limits).value();
  EXPECT_GE(shape.group, 1);
  EXPECT_GE(shape.chunk, 1);
}

}  // namespace
}  // namespace spikeserve::engine
