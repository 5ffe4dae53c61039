#include "kernels/cpu/fold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

// The two filters and the mean as their recurrences say, in double.
struct ByRecurrence {
  explicit ByRecurrence(const FoldFilters& filters) : filters_(filters) {}

  void Step(double u) {
    const double g = filters_.synapse ? (1 - filters_.synapse_decay) * f_ : u;
    f_ = filters_.synapse_decay * f_ + u;
    const double h = filters_.probe_synapse ? (1 - filters_.probe_decay) * p_ : g;
    p_ = filters_.probe_decay * p_ + g;
    sum += h;
    last = h;
  }

  double sum = 0;
  double last = 0;

 private:
  const FoldFilters filters_;
  double f_ = 0;
  double p_ = 0;
};

FoldFilters Filters(bool synapse, bool probe) {
  return {synapse, 0.75F, 0.25F, probe, 0.875F, 0.125F};  // dyadic, so that a and 1-a are exact
}

TEST(Fold, MeanAndLastAreThoseOfTheFilteredSteps) {
  for (const bool synapse : {false, true}) {
    for (const bool probe : {false, true}) {
      for (const int skip : {0, 1, 13}) {
        testing::Random random(static_cast<std::uint64_t>(skip));
        Fold fold(Filters(synapse, probe), 2);
        ByRecurrence first(Filters(synapse, probe));
        ByRecurrence second(Filters(synapse, probe));
        double start[2] = {0, 0};
        for (int step = 1; step <= 60; ++step) {
          const std::vector<std::int32_t> counts = {static_cast<std::int32_t>(random.Below(4)),
                                                    static_cast<std::int32_t>(random.Below(2))};
          fold.Step(std::span<const std::int32_t>(counts));
          first.Step(counts[0]);
          second.Step(counts[1]);
          if (step == skip) {
            fold.MarkStart();
            start[0] = first.sum;
            start[1] = second.sum;
          }
        }
        std::vector<float> mean(2);
        std::vector<float> last(2);
        fold.Mean(60 - skip, mean);
        fold.Last(last);
        EXPECT_NEAR(mean[0], (first.sum - start[0]) / (60 - skip), 1e-6);
        EXPECT_NEAR(mean[1], (second.sum - start[1]) / (60 - skip), 1e-6);
        EXPECT_NEAR(last[0], first.last, 1e-6);
        EXPECT_NEAR(last[1], second.last, 1e-6);
      }
    }
  }
}

TEST(Fold, RealValuesAreTakenAsCountsAre) {
  Fold counts(Filters(true, true), 1);
  Fold values(Filters(true, true), 1);
  for (std::int32_t step = 0; step < 20; ++step) {
    const std::int32_t count = step % 3;
    const auto value = static_cast<float>(count);
    counts.Step(std::span<const std::int32_t>(&count, 1));
    values.Step(std::span<const float>(&value, 1));
  }
  std::vector<float> from_counts(1);
  std::vector<float> from_values(1);
  counts.Mean(20, from_counts);
  values.Mean(20, from_values);
  EXPECT_EQ(from_counts, from_values);
}

TEST(Fold, StepsOfOnesAreStepsOfThatValue) {
  const std::vector<float> ones(3, 1.0F);
  for (const bool synapse : {false, true}) {
    for (const bool probe : {false, true}) {
      const FoldFilters filters = {synapse, 0.8187F, 0.1813F, probe, 0.9048F, 0.0952F};
      Fold fold(filters, 3);
      Fold stepped(filters, 3);
      for (const std::int64_t steps : {0, 1, 7, 40}) {
        fold.StepOnes(steps);
        for (std::int64_t step = 0; step < steps; ++step) {
          stepped.Step(std::span<const float>(ones));
        }
        std::vector<float> got(3), wanted(3);
        fold.Last(got);
        stepped.Last(wanted);
        EXPECT_EQ(got, wanted) << synapse << ", " << probe << ", " << steps;
        fold.Mean(48, got);
        stepped.Mean(48, wanted);
        EXPECT_EQ(got, wanted) << synapse << ", " << probe << ", " << steps;
      }
    }
  }
}

}  // namespace
}  // namespace spikeserve::kernels
