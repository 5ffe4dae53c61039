#include "server/engine/cpu/spike_form.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace spikeserve::engine {
namespace {

using kernels::SpikeForm;

constexpr std::int64_t kCells = 256, kOut = 128, kSteps = 60;

VectorTerm Dense(bool negatives) {
  VectorTerm term;
  term.pixels = 1;
  term.channels = kOut;
  term.cells = kCells;
  term.unit = kCells;
  const std::vector<std::int32_t> weights(kCells * kOut, 3);
  term.events = {std::span(weights), kCells, kOut, kCells, false, negatives};
  term.largest_weight = 3;
  term.max_row_sum = 3.0 * kCells;
  return term;
}

using Count = std::function<int(std::int64_t step, std::int64_t cell)>;

std::optional<SpikeForm> Choose(const Count& count, CpuPath path = CpuPath::kAuto, bool negatives = true,
                                std::int64_t steps = kSteps) {
  std::vector<std::uint8_t> counts(static_cast<std::size_t>(steps * kCells + kernels::kCountPadding));
  int largest = 0;
  for (std::int64_t i = 0; i < steps * kCells; ++i) {
    const int value = count(i / kCells, i % kCells);
    counts[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value);
    largest = std::max(largest, value);
  }
  WindowSums::Source source{steps, largest, nullptr, counts.data(), kCells};
  std::vector<std::uint8_t> usual;
  return ChooseForm(Dense(negatives), source, path, usual);
}

int Steady(std::int64_t step, std::int64_t cell) { return (step + cell) % 5 == 0 ? 0 : 1; }
int Rare(std::int64_t step, std::int64_t cell) { return (step + cell) % 40 == 0 ? 1 : 0; }
int Silent(std::int64_t, std::int64_t) { return 0; }

TEST(SpikeForms, AreChangesWhereCellsFireSteadily) {
  EXPECT_EQ(Choose(Steady), SpikeForm::kChanges);
  EXPECT_EQ(Choose([](std::int64_t step, std::int64_t cell) { return 1 + Rare(step, cell); }),
            SpikeForm::kChanges);
}

TEST(SpikeForms, AreOthersWhereCellsDoNot) {
  EXPECT_EQ(Choose(Rare), SpikeForm::kDigits);
  EXPECT_EQ(Choose(Silent), SpikeForm::kDigits);
  EXPECT_EQ(Choose(Silent, CpuPath::kChanges), SpikeForm::kDigits);
  EXPECT_EQ(Choose([](std::int64_t step, std::int64_t cell) {
              return (step + cell) % 400 == 0 ? 3 : Rare(step, cell);
            }),
            SpikeForm::kCopies);
  EXPECT_EQ(Choose(Steady, CpuPath::kAuto, true, 1), SpikeForm::kDigits);  // nothing to change from
}

TEST(SpikeForms, AreChangesOnlyWhereNegativesAre) {
  EXPECT_EQ(Choose(Steady, CpuPath::kAuto, false), SpikeForm::kDigits);
  EXPECT_EQ(Choose(Steady, CpuPath::kChanges, false), SpikeForm::kDigits);
}

TEST(SpikeForms, CanBeForced) {
  EXPECT_EQ(Choose(Steady, CpuPath::kChanges), SpikeForm::kChanges);
  EXPECT_EQ(Choose(Rare, CpuPath::kChanges), SpikeForm::kChanges);
}

}  // namespace
}  // namespace spikeserve::engine
