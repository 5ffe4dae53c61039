#include "server/engine/cpu/layout/path_cost.h"

#include <gtest/gtest.h>

#include "server/engine/cpu/layout/window_sums.h"

namespace spikeserve::engine {
namespace {

// A chunk of a dense layer whose neurons spike with this density, at most once per step.
TermWork Dense(std::int64_t in, std::int64_t out, double density) {
  TermWork work;
  work.steps = 64;
  work.cells = in;
  work.units = (in + 319) / 320;
  work.rows = in;
  work.tiles = work.units;
  work.slices = (out + 15) / 16;
  work.count_digits = 1;
  work.entries = static_cast<std::int64_t>(density * static_cast<double>(64 * in));
  return work;
}

TEST(PathCost, OfEventsGrowsWithTheSpikesAndOfDigitsDoesNot) {
  double last = 0;
  for (const double density : {0.0, 0.1, 0.3, 0.6, 1.0}) {
    const TermWork work = Dense(1024, 1024, density);
    EXPECT_GT(EventCycles(work), last);
    EXPECT_EQ(DigitCycles(work), DigitCycles(Dense(1024, 1024, 0)));
    last = EventCycles(work);
  }
}

// Sides of the break-even point on which measurements leave no doubt (docs/benchmarks.md).
TEST(PathCost, ChoosesEventsForRareSpikesAndDigitsForManySpikes) {
  for (const std::int64_t out : {120, 1024}) {
    EXPECT_LT(EventCycles(Dense(1024, out, 0.1)), DigitCycles(Dense(1024, out, 0.1)));
    EXPECT_GT(EventCycles(Dense(1024, out, 0.9)), DigitCycles(Dense(1024, out, 0.9)));
  }
}

// Counts of 3 are two entries by digits and three copies, of 2 one and two.
TEST(PathCost, PrefersCopiesWhereFewCountsAreAboveOne) {
  const auto prefers_copies = [](double ones, double twos) {
    TermWork digits = Dense(1024, 1024, ones + twos);
    digits.count_digits = 2;
    return EventCycles(Dense(1024, 1024, ones + 2 * twos)) < EventCycles(digits);
  };
  EXPECT_TRUE(prefers_copies(0.2, 0.002));
  EXPECT_FALSE(prefers_copies(0.1, 0.2));
}

TEST(PathCost, WindowsOfFewChannelsPreferDigits) {
  TermWork work;  // of LeNet's second convolution behind its pool
  work.steps = 64;
  work.cells = 14 * 14 * 6;
  work.units = 14 * 14;
  work.windows = 100;
  work.ranges = 5;
  work.rows = 150;
  work.slices = 1;
  work.count_digits = 3;
  work.entries = 64 * work.cells / 2;
  EXPECT_GT(EventCycles(work), 2 * DigitCycles(work));
}

// 2^31 / (128 * 65,536) = 256: with so many inputs every count that is a byte fits, with twice as many not.
TEST(WindowSums, SaysWhereSumsOfDigitsMightNotFit) {
  VectorTerm term;
  term.cells = 65'536;
  EXPECT_TRUE(WindowSums::DigitsFit(term, 255));
  term.cells = 131'072;
  EXPECT_TRUE(WindowSums::DigitsFit(term, 127));
  EXPECT_FALSE(WindowSums::DigitsFit(term, 128));
}

}  // namespace
}  // namespace spikeserve::engine
