#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "tests/bench/cases.h"
#include "tests/bench/row.h"

namespace spikeserve::bench {

struct RunOptions {
  std::filesystem::path data;
  int repetitions = 5;
  double window_s = 0.1;  // of one time
  std::vector<std::int64_t> threads = {1, 2};
};

// Checks a case, then times it with every batch and number of threads against the step loop, the step loop with
// a hoisted first product and the float pass, in turn. Calls `done` with each row.
void RunCase(const Case& one, const RunOptions& options, const std::vector<Ceilings>& ceilings,
             const std::function<void(Row)>& done);

// Runs a network once with inputs of the case and nothing else, for measuring memory. Returns the seconds.
double RunAlone(const Case& one, const std::filesystem::path& data, std::int64_t steps, std::int64_t batch,
                std::int64_t threads);

// Peak resident bytes of this process so far, by the kernel.
std::int64_t PeakBytes();

// A new process of this program that runs the case alone; its peak. 0 where it failed.
std::int64_t PeakBytesAlone(const Case& one, const std::filesystem::path& data, std::int64_t steps,
                            std::int64_t batch, std::int64_t threads);

}  // namespace spikeserve::bench
