// That a server takes connections, and what happens once it does not.

#include "server/app/listener_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <future>

#include "server/app/listener_probe.h"
#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using app::ListenerWatch;
using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kTimeout{5000};
constexpr std::chrono::milliseconds kShort{50};

class ListenerProbeTest : public ServerTest {};

TEST_F(ListenerProbeTest, FindsAServerThatAnswers) {
  Start();
  EXPECT_TRUE(app::ProbeListener(server().address(), kTimeout).ok());
  Stop();
  config_.listen = "127.0.0.1:0";
  Start();
  const std::string address = server().address();
  EXPECT_TRUE(app::ProbeListener(address, kTimeout).ok());
  EXPECT_TRUE(app::ProbeListener("localhost:" + address.substr(address.find(':') + 1), kTimeout).ok());
  Stop();
  EXPECT_THAT(app::ProbeListener(address, kTimeout).message(), HasSubstr(address + ": connect: "));
}

// As when gRPC has given up on a socket that the kernel still listens on.
TEST_F(ListenerProbeTest, NoticesASocketThatNobodyAccepts) {
  const std::string path = (folder_.path() / "deaf").string();
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(descriptor, 8), 0);
  EXPECT_THAT(app::ProbeListener("unix:" + path, kShort).message(), HasSubstr("no answer"));
  close(descriptor);
}

class ListenerWatchTest : public ::testing::Test {
 protected:
  std::string Log() {
    std::string text;
    for (const std::string& line : lines_->last_formatted()) {
      text += line;
    }
    return text;
  }

  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_ =
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(100);
  rpc::EventLog log_{rpc::LogFormat::kText, lines_};
  std::atomic<bool> fails_ = true;
  std::atomic<int> tries_ = 0;
  std::function<Status()> probe_ = [this] {
    ++tries_;
    return fails_ ? Unavailable("no answer") : Status();
  };
};

TEST_F(ListenerWatchTest, TellsOnceThatTheListenerIsLost) {
  std::promise<void> lost;
  const ListenerWatch watch(probe_, [&] { lost.set_value(); }, log_, {std::chrono::milliseconds(1), 3});
  lost.get_future().wait();
  EXPECT_EQ(tries_, 3);
  EXPECT_FALSE(watch.ok());
  EXPECT_THAT(Log(), HasSubstr("listener_unreachable failures=2"));
  EXPECT_THAT(Log(), HasSubstr("listener_lost failures=3 message=\"no answer\""));
}

TEST_F(ListenerWatchTest, OneThatRecoversIsNotLost) {
  std::atomic<bool> lost = false;
  const ListenerWatch watch(probe_, [&] { lost = true; }, log_, {std::chrono::milliseconds(1), 1'000'000});
  EXPECT_TRUE(Eventually([&] { return !watch.ok(); }));
  fails_ = false;
  EXPECT_TRUE(Eventually([&] { return watch.ok(); }));
  EXPECT_FALSE(lost);
}

}  // namespace
}  // namespace spikeserve::testing
