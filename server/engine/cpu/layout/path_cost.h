#pragma once

#include <cstdint>

namespace spikeserve::engine {

// What one term of a layer has to do in a chunk, whichever path it takes.
struct TermWork {
  std::int64_t steps = 0;
  std::int64_t cells = 0;    // of the source
  std::int64_t units = 1;    // see VectorTerm
  std::int64_t windows = 1;  // output pixels
  std::int64_t ranges = 1;   // runs of cells under a window
  std::int64_t rows = 0;     // of weights under a window
  std::int64_t tiles = 1;    // that these are cut into
  std::int64_t slices = 1;   // of kLaneUnit output channels
  int weight_digits = 3;
  int count_digits = 0;      // lists of spikes: the binary digits of the largest count, or 1
  std::int64_t entries = 0;  // of these lists
};

// Cycles of the event-driven path and of the digit path on one thread, where the latter has its instructions.
// Models: a sum of the counts of what is done times constants that were measured on a processor with AVX-512
// and VNNI (docs/benchmarks.md says how).
double EventCycles(const TermWork& work);
double DigitCycles(const TermWork& work);

}  // namespace spikeserve::engine
