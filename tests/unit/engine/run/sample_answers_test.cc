// How what samples have to say is laid out in a reading, and which of it a failed sample still says.

#include "server/engine/run/sample_answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace spikeserve::engine {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Probe i of the network has i + 1 elements, and so has request probe i.
struct Sizes {
  const SimulationSpec* spec;
  std::int64_t ProbeSize(std::int64_t probe) const { return probe + 1; }
  std::int64_t RecordSize(std::size_t index) const { return static_cast<std::int64_t>(index) + 1; }
};

SimulationSpec Spec() {
  SimulationSpec spec;
  spec.probes = {2, 1};
  spec.trajectories = true;
  spec.statistics = true;
  spec.session = true;
  spec.request_probes.resize(1);
  spec.request_probes[0].recording.every = 2;
  return spec;
}

// Says `value` everywhere.
class Says final : public SampleAnswers {
 public:
  explicit Says(double value, Status status = {}) : value_(value), status_(std::move(status)) {}
  Status status() const override { return status_; }
  std::int64_t spikes() const override { return 70; }
  std::int64_t steps_done() const override { return 9; }
  void ReadProbe(std::size_t, std::span<double> values) const override {
    std::fill(values.begin(), values.end(), value_);
  }
  std::span<const double> Trajectory(std::size_t) const override { return kept_; }
  std::vector<double> Record(std::size_t) const override { return {value_, value_}; }
  std::vector<LayerActivity> Activity() const override { return {{.spikes = 5}}; }

 private:
  const double value_;
  const Status status_;
  const std::vector<double> kept_ = {value_, value_};  // fewer than there is room for
};

TEST(EmptyReading, HasRoomForWhatIsAskedFor) {
  const SimulationSpec spec = Spec();
  const Reading reading = EmptyReading(Sizes{&spec}, 3, 100, 4);
  EXPECT_EQ(reading.steps_done, 104);
  ASSERT_EQ(reading.probes.size(), 2U);
  EXPECT_EQ(reading.probes[0].size, 3);
  EXPECT_EQ(reading.probes[0].values, std::vector<double>(3 * 3));
  EXPECT_EQ(reading.probes[0].trajectory, std::vector<double>(3 * 4 * 3));
  EXPECT_EQ(reading.records.at(0).rows, 2);
  EXPECT_EQ(reading.records.at(0).values, std::vector<double>(3 * 2));
  EXPECT_EQ(reading.steps_used.size(), 3U);
  EXPECT_EQ(reading.statistics.size(), 3U);
}

TEST(EmptyReading, HasNoRoomForWhatIsNot) {
  SimulationSpec spec;
  spec.probes = {0};
  const Reading reading = EmptyReading(Sizes{&spec}, 3, 0, 4);
  EXPECT_TRUE(reading.probes.at(0).trajectory.empty());
  EXPECT_TRUE(reading.steps_used.empty() && reading.statistics.empty() && reading.records.empty());
  spec.early_exit = EarlyExit{};
  EXPECT_EQ(EmptyReading(Sizes{&spec}, 3, 0, 4).steps_used.size(), 3U);
}

TEST(ReadSample, FillsItsPartAlone) {
  const SimulationSpec spec = Spec();
  Reading reading = EmptyReading(Sizes{&spec}, 2, 0, 2);
  ReadSample(spec, Says(6), 1, reading);
  EXPECT_EQ(reading.probes[1].values, (std::vector<double>{0, 0, 6, 6}));
  EXPECT_EQ(reading.probes[1].trajectory, (std::vector<double>{0, 0, 0, 0, 6, 6, 0, 0}));
  EXPECT_EQ(reading.records[0].values, (std::vector<double>{0, 6}));
  EXPECT_EQ(reading.steps_used, (std::vector<std::int64_t>{0, 9}));
  EXPECT_EQ(reading.spikes, (std::vector<std::int64_t>{0, 70}));
  EXPECT_TRUE(reading.statistics[0].empty());
  EXPECT_EQ(reading.statistics[1].at(0).spikes, 5);
}

TEST(ReadSample, KeepsTheStepsOfAFailedSampleBack) {
  const SimulationSpec spec = Spec();
  Reading reading = EmptyReading(Sizes{&spec}, 1, 0, 2);
  ReadSample(spec, Says(kInfinity, LeftExactRange("dense")), 0, reading);
  EXPECT_EQ(reading.sample_status[0].code(), StatusCode::kOutOfRange);
  EXPECT_EQ(reading.sample_status[0].message().find("layer 'dense': "), 0U);
  EXPECT_EQ(reading.probes[1].values, (std::vector<double>{kInfinity, kInfinity}));
  EXPECT_EQ(reading.probes[1].trajectory, std::vector<double>(4));
  EXPECT_EQ(reading.records[0].values, std::vector<double>(1));
  EXPECT_EQ(reading.statistics[0].size(), 1U);
}

TEST(ReadSample, NamesAnInfiniteProbe) {
  const SimulationSpec spec = Spec();
  Reading reading = EmptyReading(Sizes{&spec}, 1, 0, 2);
  for (const double value : {kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
    ReadSample(spec, Says(value), 0, reading);
    EXPECT_EQ(reading.sample_status[0].message(),
              "probe 1: an output is infinite or not a number; lower the inputs or gains");
    EXPECT_EQ(reading.sample_status[0].code(), StatusCode::kOutOfRange);
  }
}

}  // namespace
}  // namespace spikeserve::engine
