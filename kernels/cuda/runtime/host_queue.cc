#include "kernels/cuda/runtime/host_queue.h"

#include <cstring>
#include <deque>
#include <functional>
#include <utility>

#include "kernels/cuda/runtime/host_device.h"

namespace spikeserve::cuda {
namespace {

// Work that is done in order, when it is asked for. One thread at a time.
class Line {
 public:
  explicit Line(bool at_once) : at_once_(at_once) {}

  void Put(std::function<void()> work) {
    waiting_.push_back(std::move(work));
    if (at_once_) {
      RunUpTo(end());
    }
  }
  // Work that was put in before this place.
  void RunUpTo(std::size_t place) {
    while (done_ < place) {
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      work();  // may ask other lines, which may ask this one for what is done already
      ++done_;
    }
  }
  std::size_t end() const { return done_ + waiting_.size(); }

 private:
  const bool at_once_;
  std::deque<std::function<void()>> waiting_;
  std::size_t done_ = 0;
};

void RunAll(const Program& program) {
  for (const Call& call : program) {
    RunOnHost(call);
  }
}

class HostProgram final : public CapturedProgram {
 public:
  explicit HostProgram(const Program& captured) : program(std::make_shared<const Program>(captured)) {}
  const std::shared_ptr<const Program> program;
};

class HostMark final : public Mark {
 public:
  std::shared_ptr<Line> line;  // null: not set yet
  std::size_t place = 0;

  void Pass() const {
    if (line != nullptr) {
      line->RunUpTo(place);
    }
  }
};

class HostQueue final : public Queue {
 public:
  explicit HostQueue(bool at_once) : line_(std::make_shared<Line>(at_once)) {}
  ~HostQueue() override { line_->RunUpTo(line_->end()); }

  void Run(const Program& program) override {
    line_->Put([program] { RunAll(program); });
  }
  void PrepareProducts() override {}
  std::unique_ptr<CapturedProgram> Capture(const Program& program) override {
    return std::make_unique<HostProgram>(program);
  }
  void Replay(CapturedProgram& captured) override {
    line_->Put([program = static_cast<HostProgram&>(captured).program] { RunAll(*program); });
  }
  void Upload(void* to, const void* from, std::size_t bytes) override { PutCopy(to, from, bytes); }
  void Download(void* to, const void* from, std::size_t bytes) override { PutCopy(to, from, bytes); }
  void Wait() override { line_->RunUpTo(line_->end()); }

  std::unique_ptr<Mark> NewMark() override { return std::make_unique<HostMark>(); }
  void Set(Mark& mark) override {
    auto& of_host = static_cast<HostMark&>(mark);
    of_host.line = line_;
    of_host.place = line_->end();
  }
  void Await(const Mark& mark) override {
    line_->Put([now = static_cast<const HostMark&>(mark)] { now.Pass(); });
  }
  void WaitFor(const Mark& mark) override { static_cast<const HostMark&>(mark).Pass(); }

 private:
  void PutCopy(void* to, const void* from, std::size_t bytes) {
    line_->Put([=] {
      if (bytes > 0) {  // nothing may lie nowhere
        std::memcpy(to, from, bytes);
      }
    });
  }

  const std::shared_ptr<Line> line_;
};

}  // namespace

std::unique_ptr<Queue> MakeHostQueue(HostOrder order, QueueUse use) {
  const bool work = use == QueueUse::kWork;
  const bool at_once = order == HostOrder::kAtOnce ||
                       (order == HostOrder::kCopiesFirst && use == QueueUse::kUpload) ||
                       (order == HostOrder::kWorkFirst && work);
  return std::make_unique<HostQueue>(at_once);
}

}  // namespace spikeserve::cuda
