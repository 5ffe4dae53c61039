#include "server/rpc/log/log_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/eventually.h"

namespace spikeserve::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Both ends of something that a log may be written to; whoever reads is here.
class Ends {
 public:
  explicit Ends(bool socket) {
    std::array<int, 2> ends{};
    if (socket) {
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    } else {
      EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    reader_ = ends[0];
    writer_ = ends[1];
  }
  ~Ends() {
    close(writer_);
    CloseReader();
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;

  int writer() const { return writer_; }
  void CloseReader() {
    if (reader_ >= 0) {
      close(std::exchange(reader_, -1));
    }
  }
  // All that there is to read now, added to what was read before.
  const std::string& Read() {
    std::array<char, 65536> part;
    for (ssize_t n; (n = read(reader_, part.data(), part.size())) > 0;) {
      text_.append(part.data(), static_cast<std::size_t>(n));
    }
    return text_;
  }

 private:
  int reader_ = -1;
  int writer_ = -1;
  std::string text_;
};

class LogSinkTest : public ::testing::TestWithParam<bool> {
 protected:
  void Start(std::size_t room_bytes) {
    sink_ = std::make_shared<LogSink>(
        ends_.writer(), [](std::int64_t lines) { return "lost " + std::to_string(lines); }, room_bytes);
    logger_ = std::make_unique<spdlog::logger>("test", sink_);
    logger_->set_pattern("%v");
  }
  void Stop() {
    logger_.reset();
    sink_.reset();
  }

  Ends ends_{GetParam()};
  std::shared_ptr<LogSink> sink_;
  std::unique_ptr<spdlog::logger> logger_;
};

TEST_P(LogSinkTest, WritesLinesInOrder) {
  Start(1 << 20);
  for (int i = 0; i < 100; ++i) {
    logger_->info("line {}", i);
  }
  Stop();
  const std::string& text = ends_.Read();
  EXPECT_THAT(text, HasSubstr("line 0\nline 1\n"));
  EXPECT_THAT(text, HasSubstr("line 98\nline 99\n"));
}

TEST_P(LogSinkTest, WaitsForNoReaderAndSaysWhatWasLost) {
  Start(100'000);
  const std::string filler(1000, 'x');
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) {  // more than any pipe or socket takes, and the room beside it
    logger_->info("{} {}", i, filler);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  const std::int64_t lost = sink_->lost_lines();
  EXPECT_GT(lost, 1000);
  EXPECT_TRUE(testing::Eventually([&] {  // the reader comes back
    ends_.Read();
    logger_->info("after");
    return ends_.Read().find("\nafter\n") != std::string::npos;
  }));
  EXPECT_THAT(ends_.Read(), HasSubstr("lost "));
  EXPECT_THAT(ends_.Read(), HasSubstr("0 " + filler));
  Stop();
}

TEST_P(LogSinkTest, ErrorsFindRoomThatOtherLinesDoNot) {
  Start(100'000);
  const std::string filler(1000, 'x');
  for (int i = 0; i < 5000; ++i) {
    logger_->info(filler);
  }
  logger_->error("broken");
  EXPECT_TRUE(testing::Eventually([&] { return ends_.Read().find("\nbroken\n") != std::string::npos; }));
}

TEST_P(LogSinkTest, EndsSoonThoughNobodyReads) {
  Start(1 << 20);
  for (int i = 0; i < 2000; ++i) {
    logger_->info(std::string(1000, 'x'));
  }
  const auto start = std::chrono::steady_clock::now();
  Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_P(LogSinkTest, AReaderThatIsGoneCostsTheLinesAlone) {
  Start(1 << 20);
  std::signal(SIGPIPE, SIG_IGN);
  ends_.CloseReader();
  logger_->info("into the void");
  EXPECT_TRUE(testing::Eventually([&] { return sink_->lost_lines() == 1; }));
}

TEST_P(LogSinkTest, LeavesTheFlagsOfTheDescriptorAlone) {
  const int before = fcntl(ends_.writer(), F_GETFL);
  Start(1 << 20);
  logger_->info("line");
  EXPECT_TRUE(testing::Eventually([&] { return !ends_.Read().empty(); }));
  EXPECT_EQ(fcntl(ends_.writer(), F_GETFL), before);
  Stop();
}

INSTANTIATE_TEST_SUITE_P(Ends, LogSinkTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Socket" : "Pipe"; });

}  // namespace
}  // namespace spikeserve::rpc
