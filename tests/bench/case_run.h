#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "server/engine/run/backend.h"
#include "tests/bench/cases.h"
#include "tests/bench/row.h"

namespace spikeserve::bench {

struct RunOptions {
  std::filesystem::path data;
  int repetitions = 5;
  double window_s = 0.1;  // of one time
  std::vector<std::int64_t> threads = {1, 2};
};

// Checks a case in exact and in fast mode, then times both with every batch and number of threads against the
// step loop, the step loop with a hoisted first product and the float pass, in turn. Calls `done` with each
// row.
void RunCase(const Case& one, const RunOptions& options, const std::vector<Ceilings>& ceilings,
             const std::function<void(Row)>& done);

// The engine alone on inputs of a case.
struct AloneOptions {
  engine::Mode mode = engine::Mode::kExact;
  std::filesystem::path data;
  std::int64_t steps = 0;  // 0: those of the case
  std::int64_t batch = 1;
  std::int64_t threads = 2;
  double window_s = 0;                // runs again until so much time has passed; at least one run
  std::int64_t accuracy_samples = 0;  // of a run after that, not timed; 0: none
};
struct AloneResult {
  double seconds = 0;    // median of a run of one batch
  double accuracy = -1;  // -1: not asked for, or no labels
};
AloneResult RunAlone(const Case& one, const AloneOptions& options);

// "exact", "fast" or "reference".
std::string ModeName(engine::Mode mode);

// Peak resident bytes of this process so far, by the kernel.
std::int64_t PeakBytes();

// A new process of this program that runs the case alone, once; its peak. 0 where it failed.
std::int64_t PeakBytesAlone(const Case& one, const AloneOptions& options);

}  // namespace spikeserve::bench
