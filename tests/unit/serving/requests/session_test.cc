#include "server/serving/requests/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "tests/support/entries.h"
#include "tests/support/fake_clock.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::SmallSpec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kResultBytes = 700;

// Two samples of SmallMlp.
class SessionTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Session>> Open() {
    engine::SimulationSpec spec = SmallSpec();
    spec.session = true;
    spec.settings.steps = 1'000'000;
    auto checked = engine::CheckedSpec::Create(*network_->network, std::move(spec));
    return Session::Open(network_, checked.value(), 2,
                         {budget_, clock_, [this](const RunRecord& record) { records_.push_back(record); }});
  }
  // Feeds both samples these first values.
  Status Feed(Session& session, float first, float second, std::int64_t steps) {
    values_ = {first, 0, second, 0};
    const auto* data = reinterpret_cast<const std::byte*>(values_.data());
    return session.Feed({engine::InputFormat()}, std::vector<engine::SampleInputs>{{{data}}, {{data + 8}}},
                        steps, kResultBytes);
  }
  // Steps that are advanced by each call until the piece is over.
  std::vector<std::int64_t> AdvanceToEnd(Session& session) {
    std::vector<std::int64_t> chunks;
    while (session.running()) {
      const std::int64_t before = script_->steps;
      EXPECT_TRUE(session.Advance({}).ok());
      chunks.push_back(script_->steps - before);
    }
    return chunks;
  }

  FakeClock clock_;
  MemoryBudget budget_{10'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::vector<RunRecord> records_;
  std::vector<float> values_;
};

TEST_F(SessionTest, RunsAPieceInTheChunksOfTheNetwork) {
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  EXPECT_FALSE(session.value()->running());
  ASSERT_TRUE(Feed(*session.value(), 1, 2, 300).ok());
  EXPECT_TRUE(session.value()->running());
  EXPECT_THAT(AdvanceToEnd(*session.value()), ElementsAre(128, 128, 44));
  const auto reading = session.value()->Read();
  ASSERT_TRUE(reading.ok());
  EXPECT_EQ(reading.value().steps_done, 300);
  EXPECT_THAT(reading.value().probes[0].values, ElementsAre(1, 2));
}

TEST_F(SessionTest, GoesOnWithOtherInputs) {
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  for (const float value : {1.0F, 5.0F}) {
    ASSERT_TRUE(Feed(*session.value(), value, -value, 10).ok());
    AdvanceToEnd(*session.value());
    const auto reading = session.value()->Read();
    ASSERT_TRUE(reading.ok());
    EXPECT_THAT(reading.value().probes[0].values, ElementsAre(value, -value));
  }
  EXPECT_EQ(session.value()->Read().value().steps_done, 20);
  EXPECT_EQ(script_->simulations, 1);
}

TEST_F(SessionTest, TellsWhatEachPieceDid) {
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(std::chrono::seconds(1));
    return Status();
  };
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  for (const std::int64_t steps : {200, 10}) {
    ASSERT_TRUE(Feed(*session.value(), 1, 2, steps).ok());
    AdvanceToEnd(*session.value());
    ASSERT_TRUE(session.value()->Read().ok());
    clock_.Advance(std::chrono::seconds(100));  // of the client, and no part of the piece
  }
  ASSERT_EQ(records_.size(), 2U);
  EXPECT_EQ(records_[0].requests, 1);
  EXPECT_EQ(records_[0].samples, 2);
  EXPECT_EQ(records_[0].steps, 200);
  EXPECT_EQ(records_[0].spikes, 400);  // one per sample and step
  EXPECT_EQ(records_[0].compute_s, 2);
  EXPECT_EQ(records_[1].steps, 10);
  EXPECT_EQ(records_[1].spikes, 20);
  EXPECT_EQ(records_[1].compute_s, 1);
  EXPECT_EQ(session.value()->compute_s(), 1);
}

TEST_F(SessionTest, ResetPutsSamplesBackAndForgetsTheirSpikes) {
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(Feed(*session.value(), 1, 2, 10).ok());
  AdvanceToEnd(*session.value());
  ASSERT_TRUE(session.value()->Read().ok());
  ASSERT_TRUE(session.value()->Reset({1}).ok());
  ASSERT_TRUE(Feed(*session.value(), 1, 2, 3).ok());
  AdvanceToEnd(*session.value());
  EXPECT_THAT(session.value()->Read().value().steps_used, ElementsAre(13, 3));
  EXPECT_EQ(records_.back().spikes, 6);
  ASSERT_TRUE(session.value()->Reset({}).ok());
  ASSERT_TRUE(Feed(*session.value(), 1, 2, 4).ok());
  AdvanceToEnd(*session.value());
  EXPECT_THAT(session.value()->Read().value().steps_used, ElementsAre(4, 4));
  EXPECT_EQ(records_.back().spikes, 8);
}

TEST_F(SessionTest, HoldsItsMemoryUntilItGoes) {
  {
    const auto session = Open();
    ASSERT_TRUE(session.ok());
    const std::int64_t state = 2 * script_->run_bytes_per_sample;
    EXPECT_EQ(budget_.used_bytes(), state);
    ASSERT_TRUE(Feed(*session.value(), 1, 2, 1).ok());
    EXPECT_EQ(budget_.used_bytes(), state + kResultBytes);
    ASSERT_TRUE(Feed(*session.value(), 1, 2, 1).ok());
    EXPECT_EQ(budget_.used_bytes(), state + kResultBytes);  // of one piece at a time
  }
  EXPECT_EQ(budget_.used_bytes(), 0);
  EXPECT_EQ(script_->simulations, 0);
}

TEST_F(SessionTest, RefusesWhatMemoryDoesNotAllow) {
  script_->run_bytes_per_sample = 5'001;
  const Status open = Open().status();
  EXPECT_EQ(open.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(open.message(), HasSubstr("a session of 2 samples: needs 10002 bytes"));
  EXPECT_EQ(script_->simulations, 0);
  script_->run_bytes_per_sample = 4'900;
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  const Status fed = Feed(*session.value(), 1, 2, 1);
  EXPECT_EQ(fed.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(fed.message(), HasSubstr("the results of a session's message"));
}

TEST_F(SessionTest, EndsWhereItIsStoppedOrASampleFails) {
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(Feed(*session.value(), 1, 2, 10).ok());
  EXPECT_EQ(session.value()->Advance([] { return true; }).code(), StatusCode::kCancelled);
  script_->sample_status = [](std::size_t sample) {
    return sample == 1 ? OutOfRange("too large") : Status();
  };
  const Status failed = session.value()->Read().status();
  EXPECT_EQ(failed.code(), StatusCode::kOutOfRange);
  EXPECT_EQ(failed.message(), "sample 1: too large");
  EXPECT_TRUE(records_.empty());
}

TEST_F(SessionTest, IsFedBeforeItRuns) {
  const auto session = Open();
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session.value()->Advance({}).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(session.value()->Feed({}, {}, 1, kResultBytes).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace spikeserve::serving
