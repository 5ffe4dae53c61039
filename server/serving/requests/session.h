#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/base/stop_check.h"
#include "server/engine/run/simulation.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_entry.h"
#include "server/serving/requests/run.h"

namespace spikeserve::serving {

// What a session needs from around it. All of it outlives the session.
struct SessionContext {
  MemoryBudget& budget;
  const Clock& clock;
  // Called for every piece that was read.
  std::function<void(const RunRecord&)> on_run;
};

// A simulation whose state lives on between pieces: each is fed, advanced a chunk at a time, and read. A
// session that has answered anything but OK is of no further use. One thread at a time.
class Session {
 public:
  // Makes the state of `samples` samples, within the memory budget. `spec` is one of a session.
  static Result<std::unique_ptr<Session>> Open(NetworkHandle network, const engine::CheckedSpec& spec,
                                               std::int64_t samples, SessionContext context);

  // Begins a piece of `steps` steps with these inputs, one set for each sample, which live until the piece is
  // read. Reserves `result_bytes` for what comes of it, until the next piece begins.
  Status Feed(const std::vector<engine::InputFormat>& inputs, std::span<const engine::SampleInputs> samples,
              std::int64_t steps, std::int64_t result_bytes);
  // Runs the next chunk of the piece. CANCELLED where `stopped` says so.
  Status Advance(const StopCheck& stopped);
  // Whether steps of the piece remain.
  bool running() const { return left_ > 0; }
  // What the piece made of the samples; the first that failed gives the status.
  Result<engine::Reading> Read();
  // Puts these samples back to step 0, all of them where none is named.
  Status Reset(std::vector<std::int64_t> which);

  // Time of the piece in the engine.
  double compute_s() const { return compute_s_; }

 private:
  Session(NetworkHandle network, std::int64_t samples, SessionContext context)
      : context_(std::move(context)), network_(std::move(network)), samples_(samples) {}

  const SessionContext context_;
  const NetworkHandle network_;
  const std::int64_t samples_;
  MemoryBudget::Reservation run_bytes_;
  MemoryBudget::Reservation piece_bytes_;
  std::int64_t steps_ = 0;  // of the piece
  std::int64_t left_ = 0;
  double compute_s_ = 0;
  std::int64_t spikes_ = 0;                         // up to the last piece
  std::unique_ptr<engine::Simulation> simulation_;  // last: goes before the network and its memory
};

}  // namespace spikeserve::serving
