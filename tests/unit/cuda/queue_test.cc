// Queues that meet at marks, on the host in every order and on the GPU; and that a mark that is forgotten
// shows on the host.

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "tests/support/cuda_devices.h"

namespace spikeserve::testing {
namespace {

using cuda::HostOrder;
using cuda::QueueUse;

constexpr std::size_t kBytes = 64;

// Passes `rounds` numbers through a device: up to a landing, from there to a leaving, and down, each stage in
// a queue of its own.
class Relay {
 public:
  enum class Forget { kNothing, kLanded, kTaken, kLeft, kFetched };

  Relay(cuda::Device& device, Forget forget)
      : forget_(forget),
        on_device_(device, 2 * kBytes),
        pinned_(device, 4 * kBytes, true),
        uploads_(device.NewQueue(QueueUse::kUpload)),
        work_(device.NewQueue(QueueUse::kWork)),
        downloads_(device.NewQueue(QueueUse::kDownload)),
        landed_(uploads_->NewMark()),
        taken_(work_->NewMark()),
        left_(work_->NewMark()) {
    for (auto& fetched : fetched_) {
      fetched = downloads_->NewMark();
    }
  }

  // The rounds whose number came down in its place.
  int Run(int rounds) {
    int right = 0;
    for (int round = 0; round < rounds + 1; ++round) {
      if (round < rounds) {
        Issue(round);
      }
      if (round > 0) {
        downloads_->WaitFor(*fetched_[Slot(round - 1)]);
        right += static_cast<int>(*To(round - 1)) == round ? 1 : 0;
      }
    }
    work_->Wait();
    return right;
  }

 private:
  static std::size_t Slot(int round) { return static_cast<std::size_t>(round) % 2; }
  std::byte* From(int round) const { return pinned_.data() + Slot(round) * kBytes; }
  std::byte* To(int round) const { return pinned_.data() + (2 + Slot(round)) * kBytes; }

  void Issue(int round) {
    std::memset(From(round), round + 1, kBytes);
    std::byte* const landing = on_device_.data();
    std::byte* const leaving = landing + kBytes;
    Await(*uploads_, *taken_, Forget::kTaken);
    uploads_->Upload(landing, From(round), kBytes);
    uploads_->Set(*landed_);
    Await(*work_, *landed_, Forget::kLanded);
    Await(*work_, *fetched_[Slot(round + 1)], Forget::kFetched);
    work_->Run({cuda::Copy{leaving, landing, kBytes}});
    work_->Set(*taken_);
    work_->Set(*left_);
    Await(*downloads_, *left_, Forget::kLeft);
    downloads_->Download(To(round), leaving, kBytes);
    downloads_->Set(*fetched_[Slot(round)]);
  }

  void Await(cuda::Queue& queue, const cuda::Mark& mark, Forget what) {
    if (forget_ != what) {
      queue.Await(mark);
    }
  }

  const Forget forget_;
  const cuda::Memory on_device_, pinned_;
  const std::unique_ptr<cuda::Queue> uploads_, work_, downloads_;
  const std::unique_ptr<cuda::Mark> landed_, taken_, left_;
  std::unique_ptr<cuda::Mark> fetched_[2];
};

class Queues : public DeviceTest {};

TEST_P(Queues, MeetAtMarks) { EXPECT_EQ(Relay(*device_, Relay::Forget::kNothing).Run(40), 40); }

SPIKESERVE_ON_DEVICES(Queues);

constexpr HostOrder kOrders[] = {HostOrder::kAtOnce, HostOrder::kLate, HostOrder::kCopiesFirst,
                                 HostOrder::kWorkFirst};

int RightInOrder(HostOrder order, Relay::Forget forget) {
  cuda::DeviceLimits limits;
  limits.memory_bytes = 1 << 20;
  cuda::HostDevice device(limits, order);
  return Relay(device, forget).Run(40);
}

TEST(HostOrders, GiveTheSameWhereNoMarkIsMissing) {
  for (const HostOrder order : kOrders) {
    EXPECT_EQ(RightInOrder(order, Relay::Forget::kNothing), 40);
  }
}

TEST(HostOrders, ShowEveryMarkThatIsMissing) {
  for (const Relay::Forget forget :
       {Relay::Forget::kLanded, Relay::Forget::kTaken, Relay::Forget::kLeft, Relay::Forget::kFetched}) {
    int wrong = 0;
    for (const HostOrder order : kOrders) {
      wrong += RightInOrder(order, forget) < 40 ? 1 : 0;
    }
    EXPECT_GE(wrong, 1) << "forgotten: " << static_cast<int>(forget);
  }
}

}  // namespace
}  // namespace spikeserve::testing
