#include "server/rpc/context/call_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>

#include <memory>
#include <string>

#include "tests/support/fake_clock.h"

namespace spikeserve::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class CallLogTest : public ::testing::Test {
 protected:
  // A call that ended so.
  static CallFacts Call(StatusCode code, const std::string& message = {}) {
    CallFacts call;
    call.method = "Simulate";
    call.status = {code, message};
    return call;
  }
  void Start(double sample_rate) {
    calls_ = std::make_unique<CallLog>(log_, clock_, CallLogOptions{sample_rate, 0}, nullptr);
  }
  std::vector<std::string> Lines() const { return sink_->last_formatted(); }

  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> sink_ =
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
  EventLog log_{LogFormat::kText, sink_};
  testing::FakeClock clock_;
  std::unique_ptr<CallLog> calls_;
};

TEST_F(CallLogTest, WritesAShareOfTheSuccessfulCallsAndAllFailures) {
  Start(0.25);
  for (int i = 0; i < 100; ++i) {
    calls_->Write(Call(StatusCode::kOk));
  }
  EXPECT_THAT(Lines(), SizeIs(25));
  for (int i = 0; i < 10; ++i) {
    calls_->Write(Call(StatusCode::kNotFound, "no such network"));
  }
  EXPECT_THAT(Lines(), SizeIs(35));
}

TEST_F(CallLogTest, ShareOfNoneAndAll) {
  Start(0);
  calls_->Write(Call(StatusCode::kOk));
  EXPECT_THAT(Lines(), SizeIs(0));
  Start(1);
  calls_->Write(Call(StatusCode::kOk));
  EXPECT_THAT(Lines(), SizeIs(1));
}

TEST_F(CallLogTest, OneLineASecondForCancelledCallsAndACountOfTheOthers) {
  Start(1);
  for (int i = 0; i < 1000; ++i) {
    calls_->Write(Call(StatusCode::kCancelled));
  }
  EXPECT_THAT(Lines(), SizeIs(1));
  clock_.Advance(std::chrono::seconds(1));
  calls_->Write(Call(StatusCode::kOk));
  ASSERT_THAT(Lines(), SizeIs(3));
  EXPECT_THAT(Lines()[1], HasSubstr("calls_cancelled calls=999"));
  calls_->Write(Call(StatusCode::kCancelled));
  EXPECT_THAT(Lines(), SizeIs(4));
}

TEST_F(CallLogTest, TheEndTellsWhatWasOnlyCounted) {
  Start(1);
  calls_->Write(Call(StatusCode::kCancelled));
  calls_->Write(Call(StatusCode::kCancelled));
  calls_.reset();
  ASSERT_THAT(Lines(), SizeIs(2));
  EXPECT_THAT(Lines()[1], HasSubstr("calls_cancelled calls=1"));
}

TEST_F(CallLogTest, KeepsTheLastFailuresTheNewestFirst) {
  Start(0);
  calls_->Write(Call(StatusCode::kOk));
  calls_->Write(Call(StatusCode::kCancelled));
  for (int i = 0; i < 100; ++i) {
    calls_->Write(Call(StatusCode::kNotFound, "number " + std::to_string(i)));
  }
  ASSERT_THAT(calls_->failures(), SizeIs(64));
  EXPECT_EQ(calls_->failures().front().call.status.message(), "number 99");
  calls_->Write(Call(StatusCode::kInternal, std::string(100'000, 'x')));
  EXPECT_EQ(calls_->failures().front().call.status.message().size(), 512U);
}

}  // namespace
}  // namespace spikeserve::rpc
