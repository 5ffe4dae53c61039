#include "kernels/cpu/fold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "tests/support/cpu_targets.h"
#include "tests/support/float_bits.h"
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

// The rewrite as its kernels compute it, one element at a time.
struct Element {
  void Step(const FoldFilters& filters, float u) {
    total += static_cast<double>(u);
    last = u;
    if (filters.synapse) {
      last = filters.synapse_gain * f;
      f = std::fma(filters.synapse_decay, f, u);
    }
    if (filters.probe_synapse) {
      const float g = last;
      last = filters.probe_gain * p;
      p = std::fma(filters.probe_decay, p, g);
    }
  }
  double Sum() const { return total - static_cast<double>(f) - static_cast<double>(p); }

  double total = 0, start = 0;
  float f = 0, p = 0, last = 0;
};

// A fold and its elements, side by side through steps of every kind.
class SideBySide {
 public:
  SideBySide(const FoldFilters& filters, std::int64_t size)
      : filters_(filters), fold_(filters, size), elements_(static_cast<std::size_t>(size)) {}

  void StepCounts(testing::Random& random) {
    std::vector<std::int32_t> counts;
    for (Element& element : elements_) {
      counts.push_back(static_cast<std::int32_t>(random.Below(5)));
      element.Step(filters_, static_cast<float>(counts.back()));
    }
    fold_.Step(std::span<const std::int32_t>(counts));
  }
  void StepValues(testing::Random& random) {
    const std::vector<float> values = random.Floats(static_cast<std::int64_t>(elements_.size()), -2, 2);
    for (std::size_t j = 0; j < values.size(); ++j) {
      elements_[j].Step(filters_, values[j]);
    }
    fold_.Step(std::span<const float>(values));
  }
  void StepOnes(std::int64_t steps) {
    for (Element& element : elements_) {
      for (std::int64_t step = 0; step < steps; ++step) {
        element.Step(filters_, 1);
      }
    }
    fold_.StepOnes(steps);
  }
  void AddTotals(testing::Random& random) {
    std::vector<std::int64_t> sums;
    for (Element& element : elements_) {
      sums.push_back(random.Below(std::int64_t{1} << 40));
      element.total += static_cast<double>(sums.back());
    }
    fold_.AddTotals(sums);
  }
  void MarkStart() {
    for (Element& element : elements_) {
      element.start = element.Sum();
    }
    fold_.MarkStart();
  }
  void ExpectSameBits() const {
    std::vector<float> mean, last, got(elements_.size());
    for (const Element& element : elements_) {
      mean.push_back(static_cast<float>((element.Sum() - element.start) / 37));
      last.push_back(element.last);
    }
    fold_.Mean(37, got);
    ASSERT_EQ(testing::FloatBits(got), testing::FloatBits(mean));
    fold_.Last(got);
    ASSERT_EQ(testing::FloatBits(got), testing::FloatBits(last));
  }

 private:
  const FoldFilters filters_;
  Fold fold_;
  std::vector<Element> elements_;
};

TEST(Fold, IsItsElementsOneByOne) {
  testing::OnEveryCpuTarget([] {
    testing::Random random(4);
    for (const bool synapse : {false, true}) {
      for (const bool probe : {false, true}) {
        for (const std::int64_t size : {1, 3, 8, 17, 100}) {
          SideBySide both({synapse, 0.8187F, 0.1813F, probe, 0.9048F, 0.0952F}, size);
          for (int step = 0; step < 20; ++step) {
            both.StepCounts(random);
            both.StepValues(random);
            both.StepOnes(step % 4);
            if (step == 7) {
              both.MarkStart();
            }
            both.ExpectSameBits();
          }
          both.AddTotals(random);
          both.ExpectSameBits();
        }
      }
    }
  });
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
