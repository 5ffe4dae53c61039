// The GPU benchmark's file of rows, which a run that was cut off leaves behind and the next one goes on from.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/bench/gpu/report.h"

namespace spikeserve::testing {
namespace {

using bench::GpuReport;
using bench::GpuRow;
using Batches = std::vector<std::int64_t>;

GpuRow RowOf(const std::string& name, std::int64_t batch, bool correct = true) {
  GpuRow row;
  row.name = name;
  row.batch = batch;
  row.correct = correct;
  row.kernels_s = correct ? 0.5 : 0;
  return row;
}

class BenchReport : public ::testing::Test {
 protected:
  BenchReport() { std::filesystem::remove(path_); }
  ~BenchReport() override { std::filesystem::remove(path_); }

  nlohmann::json Read() const { return nlohmann::json::parse(std::ifstream(path_)); }

  const std::string path_ =
      ::testing::TempDir() + ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".json";
};

TEST_F(BenchReport, IsWholeAfterEachRow) {
  GpuReport report(path_, "a card");
  report.SetCeilings({{"copy (TB/s)", 2.5}});
  for (std::size_t rows = 1; rows <= 3; ++rows) {
    report.Add(RowOf("mlp", static_cast<std::int64_t>(rows)));
    EXPECT_EQ(Read()["rows"].size(), rows);
    EXPECT_EQ(Read()["device"], "a card");
    EXPECT_EQ(Read()["ceilings"]["copy (TB/s)"], 2.5);
  }
  EXPECT_EQ(Read()["rows"][2]["inferences_per_second"], 6.0);
}

TEST_F(BenchReport, GoesOnWhereARunWasCutOff) {
  GpuReport(path_, "a card").Add(RowOf("mlp", 32));
  GpuReport report(path_, "a card");
  EXPECT_EQ(report.Missing("mlp", {1, 32, 256}), (Batches{1, 256}));
  EXPECT_EQ(report.Missing("mlp.fast", {32}), (Batches{32}));
  report.Add(RowOf("mlp", 1));
  EXPECT_EQ(report.Missing("mlp", {1, 32, 256}), (Batches{256}));
  EXPECT_EQ(Read()["rows"].size(), 2U);
}

TEST_F(BenchReport, MeasuresAnewWhatWasWrong) {
  GpuReport(path_, "a card").Add(RowOf("mlp", 32, false));
  EXPECT_EQ(Read()["rows"].size(), 1U);
  EXPECT_EQ(GpuReport(path_, "a card").Missing("mlp", {32}), (Batches{32}));
}

TEST_F(BenchReport, StartsAnewOnAnotherCardOrWithoutAFile) {
  EXPECT_EQ(GpuReport(path_, "a card").Missing("mlp", {32}), (Batches{32}));
  GpuReport(path_, "a card").Add(RowOf("mlp", 32));
  EXPECT_EQ(GpuReport(path_, "another").Missing("mlp", {32}), (Batches{32}));
  std::ofstream(path_) << "{\"device\": \"a card\", \"rows\": [{";
  EXPECT_EQ(GpuReport(path_, "a card").Missing("mlp", {32}), (Batches{32}));
  GpuReport without("", "a card");
  without.Add(RowOf("mlp", 32));
  EXPECT_EQ(without.Missing("mlp", {32}), Batches());
}

}  // namespace
}  // namespace spikeserve::testing
