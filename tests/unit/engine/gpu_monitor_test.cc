#include "server/engine/gpu_monitor.h"

#include <gtest/gtest.h>

namespace spikeserve::engine {
namespace {

TEST(GpuMonitor, ReadsWhatTheLibraryKnows) {
  const auto monitor = GpuMonitor::Open(SPIKESERVE_FAKE_NVML);
  ASSERT_NE(monitor, nullptr);
  const std::vector<GpuUse> uses = monitor->Read();
  ASSERT_EQ(uses.size(), 2U);
  EXPECT_EQ(uses[0].id, "GPU-1");
  EXPECT_EQ(uses[0].utilization, 0.5);
  EXPECT_EQ(uses[0].memory_used_bytes, 1000);
  EXPECT_EQ(uses[0].memory_total_bytes, 4000);
  EXPECT_EQ(uses[1].id, "GPU-2");
  EXPECT_FALSE(uses[1].utilization.has_value());
}

TEST(GpuMonitor, IsNoneWithoutTheLibraryOrItsFunctions) {
  EXPECT_EQ(GpuMonitor::Open("libno-such-library.so.1"), nullptr);
  EXPECT_EQ(GpuMonitor::Open("libm.so.6"), nullptr);
}

}  // namespace
}  // namespace spikeserve::engine
