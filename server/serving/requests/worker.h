#pragma once

#include <atomic>
#include <memory>
#include <stop_token>
#include <thread>

#include "server/base/guarded.h"
#include "server/serving/requests/batcher.h"
#include "server/serving/requests/run.h"

namespace spikeserve::serving {

// A thread that pulls runs and works on them, a turn of one after a turn of another. Ends by itself once the
// batcher is closed and empty; destruction stops a running batch at its next chunk.
class Worker {
 public:
  // `batcher` outlives the worker.
  Worker(Batcher& batcher, RunContext context)
      : context_(std::move(context)),
        thread_([this, &batcher](std::stop_token stop) { Loop(batcher, stop); }) {}

  // Whether the thread has ended.
  bool done() const { return done_.test(); }

 private:
  void Loop(Batcher& batcher, std::stop_token stop) {
    bool ended = false;
    while (!ended) {
      // Where memory runs out nothing is taken, and the next attempt may find some.
      static_cast<void>(Guarded([&]() -> Status {
        std::unique_ptr<Run> run = batcher.Next(stop);
        ended = run == nullptr;
        if (run) {
          run->Work(context_, stop, batcher.options().turn);
          batcher.Return(std::move(run));
        }
        return {};
      }));
    }
    done_.test_and_set();
  }

  const RunContext context_;
  std::atomic_flag done_;
  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace spikeserve::serving
