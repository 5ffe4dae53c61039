#include "kernels/cuda/runtime/device_health.h"

#include <gtest/gtest.h>

namespace spikeserve::testing {
namespace {

using cuda::DeviceError;
using cuda::DeviceHealth;
using cuda::Failure;

// As what kind of failure a watched call ends.
Failure Watched(DeviceHealth& health, Failure failure, const std::string& what) {
  try {
    health.Watch([&] { throw DeviceError(failure, what); });
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.what(), what);
    return error.failure();
  }
  ADD_FAILURE() << "nothing was thrown";
  return failure;
}

TEST(DeviceHealth, GivesBackWhatWorks) {
  DeviceHealth health;
  EXPECT_EQ(health.Watch([] { return 5; }), 5);
  EXPECT_EQ(health.lost(), "");
}

TEST(DeviceHealth, KeepsTheFirstLossForGood) {
  DeviceHealth health;
  EXPECT_EQ(Watched(health, Failure::kOutOfMemory, "memory"), Failure::kOutOfMemory);
  EXPECT_EQ(Watched(health, Failure::kRefused, "refused"), Failure::kRefused);
  EXPECT_EQ(health.lost(), "");
  EXPECT_EQ(Watched(health, Failure::kLost, "an illegal address"), Failure::kLost);
  EXPECT_EQ(Watched(health, Failure::kLost, "another"), Failure::kLost);
  EXPECT_EQ(health.lost(), "an illegal address");
}

TEST(DeviceHealth, TakesADeviceForLostThatWorkedAndIsGone) {
  DeviceHealth health;
  EXPECT_EQ(Watched(health, Failure::kUnavailable, "no driver"), Failure::kUnavailable);
  EXPECT_EQ(health.lost(), "");
  health.SetWorks();
  EXPECT_EQ(Watched(health, Failure::kUnavailable, "no device"), Failure::kLost);
  EXPECT_EQ(health.lost(), "no device");
}

TEST(DeviceHealth, IsOfOneDeviceAlone) {
  DeviceHealth first;
  DeviceHealth second;
  Watched(second, Failure::kLost, "fell off the bus");
  EXPECT_EQ(first.lost(), "");
}

}  // namespace
}  // namespace spikeserve::testing
