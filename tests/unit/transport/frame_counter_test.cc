// The rules of the guard, on bytes that are cut everywhere.

#include "server/transport/frame_counter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace spikeserve::testing {
namespace {

using transport::FrameCounter;
using transport::Rule;
using transport::Verdict;

const Clock::TimePoint kStart = Clock::TimePoint() + std::chrono::hours(1);
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr int kData = 0;
constexpr int kHeaders = 1;
constexpr int kPriority = 2;
constexpr int kReset = 3;
constexpr int kSettings = 4;
constexpr int kPing = 6;
constexpr int kWindowUpdate = 8;
constexpr int kContinuation = 9;
constexpr int kUnknown = 77;
constexpr int kAck = 1;
constexpr int kEndHeaders = 4;

std::string Frame(int type, int flags, unsigned stream, std::size_t payload) {
  std::string frame;
  for (const std::size_t value :
       {payload >> 16U, payload >> 8U, payload, static_cast<std::size_t>(type),
        static_cast<std::size_t>(flags), std::size_t{stream} >> 24U, std::size_t{stream} >> 16U,
        std::size_t{stream} >> 8U, std::size_t{stream}}) {
    frame += static_cast<char>(value & 0xffU);
  }
  return frame + std::string(payload, '\x01');
}

std::string Times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

std::span<const std::uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// A connection whose client has greeted and acknowledged the server's settings.
class Connection {
 public:
  Connection() { Send(std::string(kPreface) + Frame(kSettings, 0, 0, 0) + Frame(kSettings, kAck, 0, 0)); }

  Verdict Send(const std::string& text) { return counter_.Feed(Bytes(text), now_); }
  void Answer(const std::string& text) { counter_.FeedAnswer(Bytes(text)); }
  void Pass(std::chrono::milliseconds time) { now_ += time; }
  // Opens a call and takes it back at once.
  std::string OpenAndReset() {
    stream_ += 2;
    return Frame(kHeaders, kEndHeaders, stream_, 5) + Frame(kReset, 0, stream_, 4);
  }
  std::string Open() {
    stream_ += 2;
    return Frame(kHeaders, kEndHeaders, stream_, 5);
  }
  unsigned stream() const { return stream_; }
  std::string Reset() const { return Frame(kReset, 0, stream_, 4); }

 private:
  FrameCounter counter_;
  Clock::TimePoint now_ = kStart;
  unsigned stream_ = 1;
};

void ExpectPassed(const Verdict& verdict) {
  EXPECT_FALSE(verdict.close) << transport::RuleName(verdict.rule);
  EXPECT_EQ(verdict.pause.count(), 0) << transport::RuleName(verdict.rule);
}

void ExpectClosed(const Verdict& verdict, Rule rule) {
  EXPECT_TRUE(verdict.close);
  EXPECT_EQ(verdict.rule, rule) << transport::RuleName(verdict.rule);
}

TEST(FrameCounter, TellsHttp2FromTheFirstBytes) {
  FrameCounter counter;
  ExpectPassed(counter.Feed(Bytes(kPreface.substr(0, 10)), kStart));
  EXPECT_FALSE(counter.greeted());
  ExpectPassed(counter.Feed(Bytes(kPreface.substr(10)), kStart));
  EXPECT_TRUE(counter.greeted());
  ExpectClosed(FrameCounter().Feed(Bytes("GET / HTTP/1.1\r\n"), kStart), Rule::kPreface);
}

TEST(FrameCounter, APausesLengthIsThatOfTheDebt) {
  Connection connection;
  for (int i = 0; i < 100; ++i) {
    ExpectPassed(connection.Send(connection.OpenAndReset()));
  }
  Verdict verdict = connection.Send(connection.OpenAndReset());
  EXPECT_FALSE(verdict.close);
  EXPECT_EQ(verdict.rule, Rule::kInstantResets);
  EXPECT_EQ(verdict.pause, std::chrono::milliseconds(50));
  EXPECT_EQ(verdict.toll.instant_resets, 1);
  std::string flood;
  for (int i = 0; i < 1'000; ++i) {
    flood += connection.OpenAndReset();
  }
  verdict = connection.Send(flood);
  EXPECT_EQ(verdict.pause, std::chrono::seconds(5));
  EXPECT_EQ(verdict.toll.instant_resets, 1'000);
}

TEST(FrameCounter, AResetOfWhatTheServerHasEndedIsNoHaste) {
  for (const int type : {kHeaders, kData, kReset}) {
    Connection connection;
    for (unsigned stream = 3; stream < 2'003; stream += 2) {
      ExpectPassed(connection.Send(Frame(kHeaders, kEndHeaders, stream, 5)));
      connection.Answer(Frame(type, type == kReset ? 0 : 1, stream, 4));
      const Verdict verdict = connection.Send(Frame(kReset, 0, stream, 4));
      ExpectPassed(verdict);
      EXPECT_EQ(verdict.toll.resets, 1);
      EXPECT_EQ(verdict.toll.instant_resets, 0);
    }
  }
}

// After a stall, calls that have missed their deadlines are read together with their resets.
TEST(FrameCounter, CallsThatWereAnsweredExcuseAsManyResets) {
  Connection connection;
  const auto flood = [&](int calls) {
    std::string all;
    for (int i = 0; i < calls; ++i) {
      all += connection.OpenAndReset();
    }
    return connection.Send(all);
  };
  const auto answer = [&](int calls) {
    for (int i = 0; i < calls; ++i) {
      static_cast<void>(connection.Send(connection.Open()));
      connection.Answer(Frame(kHeaders, 1, connection.stream(), 4));
    }
  };
  answer(300);
  Verdict verdict = flood(300);
  ExpectPassed(verdict);
  EXPECT_EQ(verdict.toll.resets, 300);
  EXPECT_EQ(verdict.toll.instant_resets, 0);
  ExpectPassed(flood(100));  // as many as anybody may
  EXPECT_EQ(flood(1).rule, Rule::kInstantResets);
  answer(1);
  EXPECT_EQ(flood(1).toll.instant_resets, 0);  // it does not pay what is owed
  EXPECT_EQ(flood(1).toll.instant_resets, 1);
}

TEST(FrameCounter, NoNumberOfAnswersExcusesAFlood) {
  Connection connection;
  for (int i = 0; i < 20'000; ++i) {
    ExpectPassed(connection.Send(connection.Open()));
    connection.Answer(Frame(kData, 1, connection.stream(), 4));
  }
  std::string all;
  for (int i = 0; i < 5'000; ++i) {
    all += connection.OpenAndReset();
  }
  const Verdict verdict = connection.Send(all);
  EXPECT_EQ(verdict.toll.instant_resets, 1'000);
  EXPECT_EQ(verdict.pause, std::chrono::seconds(5));
}

TEST(FrameCounter, FindsEveryFrameWhereverTheBytesAreCut) {
  Connection whole;
  std::string flood;
  for (int i = 0; i < 101; ++i) {
    flood += whole.OpenAndReset() + Frame(kData, 0, 3, static_cast<std::size_t>(i % 13));
  }
  for (std::size_t piece = 1; piece < 40; ++piece) {
    Connection cut;
    int resets = 0;
    Verdict verdict;
    for (std::size_t at = 0; at < flood.size(); at += piece) {
      verdict = cut.Send(flood.substr(at, piece));
      resets += verdict.toll.resets;
    }
    EXPECT_EQ(resets, 101) << piece;
    EXPECT_EQ(verdict.pause, std::chrono::milliseconds(50)) << piece;
  }
}

TEST(FrameCounter, AResetOfAnOlderCallIsOrdinary) {
  Connection connection;
  for (int i = 0; i < 1'900; ++i) {
    ExpectPassed(connection.Send(connection.Open()));
    connection.Pass(std::chrono::milliseconds(3));
    ExpectPassed(connection.Send(connection.Reset()));
  }
}

TEST(FrameCounter, ResetsOfAnyAgeHaveALimit) {
  Connection connection;
  ExpectPassed(connection.Send(Times(4'000, connection.Reset())));
  const Verdict verdict = connection.Send(Times(200, connection.Reset()));
  EXPECT_EQ(verdict.rule, Rule::kResets);
  EXPECT_EQ(verdict.pause, std::chrono::milliseconds(100));
}

TEST(FrameCounter, HeadersOfACallMayTakeSixtyFourKilobytesInNineFrames) {
  const std::string part = Frame(kContinuation, 0, 3, 100);
  Connection few;
  ExpectPassed(few.Send(Frame(kHeaders, 0, 3, 16'384) + Times(8, Frame(kContinuation, 0, 3, 6'144))));
  ExpectPassed(few.Send(Frame(kHeaders, kEndHeaders, 5, 65'536)));  // another call begins anew
  Connection many;
  ExpectPassed(many.Send(Frame(kHeaders, 0, 3, 100) + Times(8, part)));
  ExpectClosed(many.Send(part), Rule::kHeaderBlock);
  Connection large;
  ExpectClosed(large.Send(Frame(kHeaders, 0, 3, 60'000) + Frame(kContinuation, 0, 3, 5'537)),
               Rule::kHeaderBlock);
  Connection huge;  // by its head alone: nobody waits for 16 MB
  ExpectClosed(huge.Send(Frame(kHeaders, 0, 3, 16'777'215).substr(0, 9)), Rule::kHeaderBlock);
}

TEST(FrameCounter, ManyCallsWithLargeHeadersAreSlowedDown) {
  constexpr std::int64_t kOver = 24 << 10;  // what is more than a call may have
  const std::string call = Frame(kHeaders, 0, 3, 16 << 10) + Frame(kContinuation, kEndHeaders, 3, 16 << 10);
  Connection large;
  const Verdict first = large.Send(call);
  ExpectPassed(first);
  EXPECT_EQ(first.toll.header_bytes, kOver);
  ExpectPassed(large.Send(Times(20, call)));
  const Verdict verdict = large.Send(Times(2, call));
  EXPECT_FALSE(verdict.close);
  EXPECT_EQ(verdict.rule, Rule::kLargeHeaders);
  EXPECT_EQ(verdict.pause,
            std::chrono::nanoseconds(std::chrono::seconds(23 * kOver - (512 << 10))) / (256 << 10));
  Connection usual;
  const Verdict many = usual.Send(Times(10'000, Frame(kHeaders, kEndHeaders, 3, 8 << 10)));
  ExpectPassed(many);
  EXPECT_TRUE(many.toll.empty());
}

TEST(FrameCounter, CallsWaitForTheSettingsToBeAcknowledged) {
  FrameCounter counter;
  const std::string call = Frame(kHeaders, kEndHeaders, 1, 5);
  ExpectPassed(counter.Feed(Bytes(std::string(kPreface) + Times(100, call)), kStart));
  ExpectClosed(counter.Feed(Bytes(call), kStart), Rule::kUnacknowledged);
  Connection polite;
  ExpectPassed(polite.Send(Times(10'000, call)));
}

TEST(FrameCounter, PingsNeedDataOrCallsThatExplainThem) {
  const std::string ping = Frame(kPing, 0, 0, 8);
  Connection idle;
  ExpectPassed(idle.Send(Times(500, ping)));
  ExpectClosed(idle.Send(ping), Rule::kPings);
  Connection sending;
  ExpectPassed(sending.Send(Times(10'000, Frame(kData, 0, 3, 10) + ping + ping)));
  Connection calling;
  ExpectPassed(calling.Send(Times(10'000, Frame(kHeaders, kEndHeaders, 3, 10) + ping + ping)));
  Connection receiving;
  for (int i = 0; i < 10'000; ++i) {
    receiving.Answer(Frame(kData, 0, 3, 10));
    ExpectPassed(receiving.Send(ping + ping));
  }
}

TEST(FrameCounter, AcknowledgementsAnswerTheServer) {
  const std::string answer = Frame(kPing, kAck, 0, 8);
  Connection answering;
  for (int i = 0; i < 10'000; ++i) {
    answering.Answer(Frame(kPing, 0, 0, 8));
    ExpectPassed(answering.Send(answer));
  }
  Connection inventing;
  ExpectClosed(inventing.Send(Times(1'000, answer)), Rule::kControl);
}

TEST(FrameCounter, FramesThatCarryNothingHaveALimit) {
  for (const std::string& frame : {Frame(kSettings, 0, 0, 6), Frame(kPriority, 0, 3, 5),
                                   Frame(kUnknown, 0, 0, 3), Frame(kData, 0, 3, 0), Frame(7, 0, 0, 8)}) {
    Connection connection;
    ExpectPassed(connection.Send(Times(199, frame)));
    ExpectClosed(connection.Send(frame + frame), Rule::kControl);
  }
  Connection ending;  // an empty frame that ends a stream carries that
  ExpectPassed(ending.Send(Times(10'000, Frame(kData, 1, 3, 0))));
}

TEST(FrameCounter, WindowUpdatesFollowTheDataThatWasReceived) {
  const std::string update = Frame(kWindowUpdate, 0, 0, 4);
  Connection idle;
  ExpectPassed(idle.Send(Times(20'000, update)));
  ExpectClosed(idle.Send(update), Rule::kWindowUpdates);
  Connection receiving;
  for (int i = 0; i < 50'000; ++i) {
    receiving.Answer(Frame(kData, 0, 3, 10));
    ExpectPassed(receiving.Send(update + update));
  }
}

}  // namespace
}  // namespace spikeserve::testing
