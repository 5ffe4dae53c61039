// Every golden run in every mode, judged by the rules of tests/data/conformance/README.md.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/conformance/golden_case.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;

// Of the checkout that this was built from, or of another one on a machine that it was carried to.
std::filesystem::path DataFolder() {
  const char* const named = std::getenv("SPIKESERVE_TEST_DATA");
  return std::filesystem::path(named != nullptr ? named : SPIKESERVE_TEST_DATA) / "conformance";
}
const std::filesystem::path kFolder = DataFolder();

constexpr double kReferenceTolerance = 1e-9;  // of the probe's largest value
constexpr double kMeanTolerance = 1e-3;       // of the probe's largest mean
constexpr double kFastMeanTolerance = 1e-2;   // likewise, in fast mode
constexpr double kVoltageTolerance = 1e-4;
constexpr double kCreepTolerance = 1e-3;  // of voltages that crept over the threshold
constexpr double kCreep = 1e-4;           // rise in the step before a spike that is creeping
constexpr double kEqualCounts = 0.999;    // share of neurons and steps with the expected count

double Largest(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) {
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}

std::vector<Sample> SamplesOf(const GoldenCase& golden) {
  const auto samples = static_cast<std::size_t>(golden.input.shape[0]);
  const std::size_t each = golden.input.values.size() / samples;
  std::vector<Sample> batch;
  for (std::size_t i = 0; i < samples; ++i) {
    batch.push_back({{Bytes(std::span(golden.input.values).subspan(i * each, each))}});
  }
  return batch;
}

engine::Reading RunGolden(const GoldenCase& golden, Mode mode, bool trajectories) {
  const Loaded loaded = Load(golden.definition, mode);
  engine::SimulationSpec spec;
  spec.settings.dt_s = golden.dt;
  spec.settings.steps = golden.steps;
  spec.inputs = {{engine::DataType::kFloat64, golden.input.shape.size() == 3}};
  spec.trajectories = trajectories;
  for (std::size_t i = 0; i < golden.definition.probes.size(); ++i) {
    spec.probes.push_back(static_cast<std::int64_t>(i));
  }
  return Simulate(loaded, spec, SamplesOf(golden));
}

// [sample, element] from [sample, step, element].
std::vector<double> TimeMeans(const NumpyArray& array) {
  const auto steps = static_cast<std::size_t>(array.shape[1]);
  const auto size = static_cast<std::size_t>(array.shape[2]);
  std::vector<double> means(static_cast<std::size_t>(array.shape[0]) * size, 0.0);
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    means[i / (steps * size) * size + i % size] += array.values[i] / static_cast<double>(steps);
  }
  return means;
}

// Spikes of each neuron up to and including each step; the layout stays.
std::vector<double> Cumulative(std::vector<double> counts, const NumpyArray& like) {
  const auto size = static_cast<std::size_t>(like.shape[2]);
  const std::size_t sample = static_cast<std::size_t>(like.shape[1]) * size;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = std::round(counts[i]) + (i % sample >= size ? counts[i - size] : 0.0);
  }
  return counts;
}

const engine::ProbeReading& Find(const GoldenCase& golden, const engine::Reading& reading,
                                 const std::string& name) {
  const auto& probes = golden.definition.probes;
  const auto found =
      std::find_if(probes.begin(), probes.end(), [&](const auto& probe) { return probe.name == name; });
  return reading.probes.at(static_cast<std::size_t>(found - probes.begin()));
}

void ExpectWithin(const std::vector<double>& got, const std::vector<double>& wanted, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  std::size_t worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(got[i] - wanted[i]) <= std::abs(got[worst] - wanted[worst]))) {
      worst = i;
    }
  }
  EXPECT_NEAR(got[worst], wanted[worst], tolerance) << what << ", worst at " << worst;
}

double MeanTolerance(Mode mode) { return mode == Mode::kFast ? kFastMeanTolerance : kMeanTolerance; }

void ExpectMeans(const GoldenCase& golden, Mode mode, const engine::Reading& reading) {
  for (const GoldenProbe& probe : golden.probes) {
    if (!probe.voltage) {
      const std::vector<double> wanted = TimeMeans(probe.expected);
      double tolerance = MeanTolerance(mode) * Largest(wanted);
      if (golden.threshold_ties && probe.counts_of) {  // the last spike may be a step late
        tolerance = std::max(tolerance, 1.001 * probe.spike_height / static_cast<double>(golden.steps));
      }
      ExpectWithin(Find(golden, reading, probe.name).values, wanted, tolerance, "time mean of " + probe.name);
    }
  }
}

// The expected class, wherever the expected means tell two classes apart.
void ExpectClasses(const GoldenCase& golden, Mode mode, const engine::Reading& reading) {
  const GoldenProbe& probe = golden.probes.front();
  const std::vector<double> wanted = TimeMeans(probe.expected);
  const std::vector<double>& got = Find(golden, reading, probe.name).values;
  const auto size = probe.expected.shape[2];
  int judged = 0;
  for (auto row = wanted.begin(); row != wanted.end(); row += size) {
    std::vector<double> sorted(row, row + size);
    std::sort(sorted.rbegin(), sorted.rend());
    if (sorted[0] - sorted[1] > MeanTolerance(mode) * Largest(wanted)) {
      const auto mine = got.begin() + (row - wanted.begin());
      EXPECT_EQ(std::max_element(mine, mine + size) - mine, std::max_element(row, row + size) - row)
          << "class of sample " << (row - wanted.begin()) / size;
      ++judged;
    }
  }
  EXPECT_GT(judged, 0);
}

void ExpectReference(const GoldenCase& golden, const engine::Reading& reading) {
  for (const GoldenProbe& probe : golden.probes) {
    ExpectWithin(Find(golden, reading, probe.name).trajectory, probe.expected.values,
                 kReferenceTolerance * Largest(probe.expected.values), probe.name);
  }
}

struct Counts {
  std::vector<double> wanted, got;  // cumulative, [sample, step, neuron]
};

Counts CountsOf(const GoldenCase& golden, const engine::Reading& reading, const GoldenProbe& probe) {
  std::vector<double> wanted = probe.expected.values;
  for (double& value : wanted) {
    value /= probe.spike_height;
  }
  return {Cumulative(wanted, probe.expected),
          Cumulative(Find(golden, reading, probe.name + ".counts").trajectory, probe.expected)};
}

void ExpectCounts(const GoldenCase& golden, const GoldenProbe& probe, const Counts& counts) {
  ASSERT_EQ(counts.got.size(), counts.wanted.size());
  std::size_t equal = 0;
  double furthest = 0;
  for (std::size_t i = 0; i < counts.got.size(); ++i) {
    equal += counts.got[i] == counts.wanted[i] ? 1 : 0;
    furthest = std::max(furthest, std::abs(counts.got[i] - counts.wanted[i]));
  }
  EXPECT_LE(furthest, 1) << "spike counts of " << *probe.counts_of;
  if (!golden.threshold_ties) {
    EXPECT_GE(static_cast<double>(equal), kEqualCounts * static_cast<double>(counts.got.size()))
        << "neuron-steps with equal counts in " << *probe.counts_of;
  }
}

// A voltage that creeps over the threshold turns its last bits into the time of the crossing, and with it
// into the refractory time: float32 cannot do better. Tolerance of each neuron, [sample, neuron].
std::vector<double> VoltageTolerances(const GoldenProbe& probe, const Counts& counts) {
  const auto size = static_cast<std::size_t>(probe.expected.shape[2]);
  const std::size_t sample = static_cast<std::size_t>(probe.expected.shape[1]) * size;
  const std::vector<double>& v = probe.expected.values;
  std::vector<double> tolerances(v.size() / sample * size, kVoltageTolerance);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const bool spiked = i % sample >= 3 * size && counts.wanted[i] != counts.wanted[i - size];
    const double rise = spiked ? v[i - size] - v[i - 2 * size] : 1.0;
    if (rise > 0 && rise < kCreep) {
      tolerances[i / sample * size + i % size] = kCreepTolerance;
    }
  }
  return tolerances;
}

// Voltages differ by a whole spike where one moved by a step, so they count only where the spikes agree.
void ExpectVoltages(const GoldenCase& golden, const engine::Reading& reading, const Counts& counts) {
  for (const GoldenProbe& probe : golden.probes) {
    if (!probe.voltage) {
      continue;
    }
    const std::vector<double>& got = Find(golden, reading, probe.name).trajectory;
    ASSERT_EQ(got.size(), probe.expected.values.size());
    const std::vector<double> tolerances = VoltageTolerances(probe, counts);
    const std::size_t samples = static_cast<std::size_t>(probe.expected.shape[0]);
    const std::size_t size = tolerances.size() / samples;
    std::size_t judged = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double tolerance = tolerances[i / (got.size() / samples) * size + i % size];
      if (counts.got[i] == counts.wanted[i]) {
        ++judged;
        ASSERT_NEAR(got[i], probe.expected.values[i], tolerance) << probe.name << " at " << i;
      }
    }
    EXPECT_GT(judged, got.size() / 2);
  }
}

void ExpectExact(const GoldenCase& golden, const engine::Reading& reading) {
  for (const GoldenProbe& probe : golden.probes) {
    if (probe.counts_of) {
      const Counts counts = CountsOf(golden, reading, probe);
      ExpectCounts(golden, probe, counts);
      ExpectVoltages(golden, reading, counts);
    }
  }
}

using CaseAndMode = std::tuple<std::string, Mode>;

class GoldenRun : public ::testing::TestWithParam<CaseAndMode> {};

TEST_P(GoldenRun, Matches) {
  const GoldenCase golden = ReadGoldenCase(kFolder, std::get<0>(GetParam()));
  const Mode mode = std::get<1>(GetParam());
  if (!golden.missing.empty()) {
    GTEST_SKIP() << golden.missing;
  }
  if (golden.means_only) {
    const engine::Reading reading = RunGolden(golden, mode, false);
    ExpectMeans(golden, mode, reading);
    ExpectClasses(golden, mode, reading);
    return;
  }
  const engine::Reading reading = RunGolden(golden, mode, true);
  if (mode == Mode::kReference) {
    ExpectReference(golden, reading);
  } else {
    ExpectExact(golden, reading);
  }
  ExpectMeans(golden, mode, reading);
  ExpectMeans(golden, mode, RunGolden(golden, mode, false));  // the readout without every step of it
}

std::string TestName(const ::testing::TestParamInfo<CaseAndMode>& info) {
  constexpr std::array kNames{"_exact", "_fast", "_reference"};  // as the modes are numbered
  return std::get<0>(info.param) + kNames.at(static_cast<std::size_t>(std::get<1>(info.param)));
}

INSTANTIATE_TEST_SUITE_P(Conformance, GoldenRun,
                         ::testing::Combine(::testing::ValuesIn(GoldenCaseNames(kFolder)),
                                            ::testing::Values(Mode::kReference, Mode::kExact, Mode::kFast)),
                         TestName);

// The engine lacks nothing that a case uses.
TEST(GoldenCases, AllRun) {
  const std::vector<std::string> names = GoldenCaseNames(kFolder);
  EXPECT_GE(names.size(), 35U);
  for (const std::string& name : names) {
    EXPECT_EQ(ReadGoldenCase(kFolder, name).missing, "") << name;
  }
}

}  // namespace
}  // namespace spikeserve::testing
