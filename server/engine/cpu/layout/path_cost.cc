#include "server/engine/cpu/layout/path_cost.h"

namespace spikeserve::engine {
namespace {

// Of the event-driven path:
constexpr double kScanByte = 0.15;     // looked at for spikes, once per count digit
constexpr double kScanUnit = 12;       // begun, in each step and digit
constexpr double kCollectRange = 10;   // of a window, in each step and digit
constexpr double kCollectEntry = 0.3;  // copied into the list of a window
constexpr double kAddEntry = 1.9;      // row of kLaneUnit weights added
constexpr double kSumStep = 5;         // sums of kLaneUnit outputs taken from the running sums, and padding
// Of the digit path:
constexpr double kCopyRange = 1;     // of a window, in each step; few windows reach over an edge
constexpr double kDigitGroup = 1.0;  // four cells times kLaneUnit weights, one weight digit
constexpr double kDigitStep = 10;    // digits put together, for kLaneUnit outputs

}  // namespace

double EventCycles(const TermWork& work) {
  const auto scans = static_cast<double>(work.steps * work.count_digits);
  const auto windows = static_cast<double>(work.windows);
  const auto slices = static_cast<double>(work.slices);
  // How many windows a cell is under, on average.
  const double reach = windows * static_cast<double>(work.rows) / static_cast<double>(work.cells);
  const double added = static_cast<double>(work.entries) * reach;
  return scans * (kScanByte * static_cast<double>(work.cells) + kScanUnit * static_cast<double>(work.units)) +
         scans * windows * static_cast<double>(work.ranges) * kCollectRange +
         added * (kCollectEntry + kAddEntry * slices) +
         scans * windows * static_cast<double>(work.tiles) * slices * kSumStep;
}

double DigitCycles(const TermWork& work) {
  const auto groups = static_cast<double>((work.rows + 3) / 4);
  const double slice = groups * work.weight_digits * kDigitGroup + kDigitStep;
  return static_cast<double>(work.steps * work.windows) *
         (static_cast<double>(work.ranges) * kCopyRange + static_cast<double>(work.slices) * slice);
}

}  // namespace spikeserve::engine
