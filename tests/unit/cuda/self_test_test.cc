#include "kernels/cuda/runtime/self_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "tests/support/cuda_backends.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/forwarding_device.h"

namespace spikeserve::testing {
namespace {

// Calls `after` with the call that was run, and may change what it left behind.
class SpoilingQueue final : public ForwardingQueue {
 public:
  using After = std::function<void(const cuda::Call&)>;

  SpoilingQueue(std::unique_ptr<cuda::Queue> queue, After after)
      : ForwardingQueue(std::move(queue)), after_(std::move(after)) {}

  void Run(const cuda::Program& program) override {
    for (const cuda::Call& call : program) {
      ForwardingQueue::Run({call});
      after_(call);
    }
  }

 private:
  const After after_;
};

// What the test says of a device that does this after each call; empty: it passed.
std::string SaysOf(const SpoilingQueue::After& after) {
  ForwardingDevice device(SmallLimits(), [&](std::unique_ptr<cuda::Queue> queue) {
    return std::make_unique<SpoilingQueue>(std::move(queue), after);
  });
  try {
    cuda::TestDevice(device);
  } catch (const cuda::DeviceError& error) {
    EXPECT_EQ(error.failure(), cuda::Failure::kUnavailable);
    return error.what();
  }
  return "";
}

TEST(TestDevice, PassesWhatIsRight) {
  EXPECT_EQ(SaysOf([](const cuda::Call&) {}), "");
}

TEST(TestDevice, FindsWrongKernels) {
  EXPECT_EQ(SaysOf([](const cuda::Call& call) {
              if (const auto* advance = std::get_if<cuda::AdvanceClock>(&call)) {
                ++*advance->clock;
              }
            }),
            "Forwarding runs kernels but gives wrong results");
}

// As sums would be with one bit less than float32 has.
TEST(TestDevice, FindsSumsThatAreRounded) {
  EXPECT_EQ(SaysOf([](const cuda::Call& call) {
              if (const auto* product = std::get_if<cuda::DigitProduct>(&call)) {
                for (std::int64_t i = 0; i < product->rows * 2 * product->width; ++i) {
                  product->sums[i] -=
                      std::fmod(product->sums[i], std::abs(product->sums[i]) >= 0x1p23F ? 2.0F : 1.0F);
                }
              }
            }),
            "cuBLAS on Forwarding rounds sums of integers");
}

// Nothing but products of bytes is lost then.
TEST(SumsBytesExactly, FindsSumsThatSaturate) {
  ForwardingDevice device(SmallLimits(), [](std::unique_ptr<cuda::Queue> queue) {
    return std::make_unique<SpoilingQueue>(std::move(queue), [](const cuda::Call& call) {
      if (const auto* product = std::get_if<cuda::ByteProduct>(&call)) {
        for (std::int64_t i = 0; i < product->rows * product->columns; ++i) {
          product->sums[i] = std::clamp(product->sums[i], -(1 << 24), 1 << 24);
        }
      }
    });
  });
  EXPECT_NO_THROW(cuda::TestDevice(device));
  EXPECT_FALSE(cuda::SumsBytesExactly(device));
}

class SelfTest : public DeviceTest {};

TEST_P(SelfTest, PassesHere) { EXPECT_NO_THROW(cuda::TestDevice(*device_)); }

TEST_P(SelfTest, MultipliesBytesHere) { EXPECT_TRUE(cuda::SumsBytesExactly(*device_)); }

SPIKESERVE_ON_DEVICES(SelfTest);

}  // namespace
}  // namespace spikeserve::testing
