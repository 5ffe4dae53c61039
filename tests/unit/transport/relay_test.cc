// Connections through the transport, to an echo in this process.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/transport/transport.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::testing {
namespace {

using transport::Descriptor;
using transport::Transport;
using transport::TransportOptions;

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string kAcknowledged("\0\0\0\4\1\0\0\0\0", 9);
const std::string kEmptyData("\0\0\0\0\0\0\0\0\3", 9);
constexpr int kPatienceMs = 20'000;

// Sends back what comes, connection by connection, until it ends.
class Echo {
 public:
  ~Echo() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }
  void Serve(int descriptor) {
    const std::lock_guard lock(mu_);
    threads_.emplace_back([descriptor, this] {
      const Descriptor socket(descriptor);
      ++served;
      Run(descriptor);
      shutdown(descriptor, SHUT_RDWR);  // as gRPC does
      ++ended;
    });
  }
  std::atomic<int> served = 0;
  std::atomic<int> ended = 0;

 private:
  static void Run(int socket) {
    std::array<char, 65'536> buffer{};
    while (true) {
      pollfd waiting{socket, POLLIN, 0};
      poll(&waiting, 1, -1);
      const ssize_t size = recv(socket, buffer.data(), buffer.size(), 0);
      if (size <= 0) {
        return;
      }
      for (ssize_t at = 0; at < size;) {
        waiting.events = POLLOUT;
        poll(&waiting, 1, -1);
        const ssize_t sent =
            send(socket, buffer.data() + at, static_cast<std::size_t>(size - at), MSG_NOSIGNAL);  // NOLINT
        if (sent < 0 && errno != EAGAIN) {
          return;
        }
        at += std::max<ssize_t>(sent, 0);
      }
    }
  }

  std::mutex mu_;
  std::vector<std::thread> threads_;
};

class TransportTest : public ::testing::TestWithParam<bool> {
 protected:
  void Start(bool guarded) {
    TransportOptions options;
    options.address = "127.0.0.1:0";
    options.guarded = guarded;
    options.admission = {8, 4, 0};
    options.on_offence = [this](const transport::Offence& offence) { jailed_ += offence.jailed.count(); };
    auto made = Transport::Listen(std::move(options), clock_);
    ASSERT_TRUE(made.ok()) << made.status().message();
    transport_ = std::move(made).value();
    transport_->Serve([this](int descriptor) { echo_.Serve(descriptor); });
  }
  Descriptor Connect() const {
    Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string& text = transport_->address();
    address.sin_port = htons(static_cast<in_port_t>(std::stoi(text.substr(text.rfind(':') + 1))));
    if (connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return Descriptor();
    }
    return client;
  }
  static bool Send(const Descriptor& client, const std::string& bytes) {
    return send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // As many bytes, or fewer where the connection ends first or stays silent too long.
  static std::string Receive(const Descriptor& client, std::size_t size, int patience_ms = kPatienceMs) {
    std::string all;
    std::array<char, 65'536> buffer{};
    while (all.size() < size) {
      pollfd waiting{client.get(), POLLIN, 0};
      if (poll(&waiting, 1, patience_ms) != 1) {
        break;
      }
      const ssize_t got = recv(client.get(), buffer.data(), std::min(buffer.size(), size - all.size()), 0);
      if (got <= 0) {
        break;
      }
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all;
  }
  static bool Ended(const Descriptor& client) {
    std::array<char, 1> byte{};
    pollfd waiting{client.get(), POLLIN, 0};
    return poll(&waiting, 1, kPatienceMs) == 1 && recv(client.get(), byte.data(), byte.size(), 0) <= 0;
  }
  static std::int64_t Count(const transport::TransportCounts::ByReason& counts, const std::string& reason) {
    for (const auto& [name, count] : counts) {
      if (name == reason) {
        return count;
      }
    }
    return -1;
  }

  FakeClock clock_;
  Echo echo_;
  std::atomic<std::int64_t> jailed_ = 0;
  std::unique_ptr<Transport> transport_;
};

TEST_P(TransportTest, CarriesBytesBothWays) {
  Start(GetParam());
  const Descriptor client = Connect();
  std::string bytes = kPreface;
  for (int i = 0; i < 400; ++i) {  // DATA frames of 50,000 bytes
    bytes += std::string("\0\xc3\x50\0\0\0\0\0\3", 9) + std::string(50'000, static_cast<char>(i));
  }
  std::thread sender([&] { EXPECT_TRUE(Send(client, bytes)); });
  const std::string back = Receive(client, bytes.size());
  sender.join();
  EXPECT_TRUE(back == bytes) << back.size() << " of " << bytes.size();
}

TEST_P(TransportTest, AReaderThatWaitsLosesNothing) {
  Start(GetParam());
  const Descriptor client = Connect();
  std::string bytes = kPreface;
  for (int i = 0; i < 40; ++i) {
    bytes += std::string("\0\xc3\x50\0\0\0\0\0\3", 9) + std::string(50'000, static_cast<char>(i));
  }
  ASSERT_TRUE(Send(client, bytes.substr(0, 500'000)));  // more than is read before the rest is sent
  std::thread sender([&] { EXPECT_TRUE(Send(client, bytes.substr(500'000))); });
  std::string back;
  while (back.size() < bytes.size()) {
    const std::string part = Receive(client, std::min<std::size_t>(10'000, bytes.size() - back.size()));
    ASSERT_FALSE(part.empty());
    back += part;
  }
  sender.join();
  EXPECT_TRUE(back == bytes);
}

TEST_P(TransportTest, TheEndOfAConnectionFreesItsPlace) {
  Start(GetParam());
  for (int round = 0; round < 3; ++round) {
    std::vector<Descriptor> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(Connect());
      ASSERT_TRUE(Send(clients.back(), kPreface));
      ASSERT_EQ(Receive(clients.back(), kPreface.size()), kPreface);
    }
    EXPECT_EQ(transport_->counts().connections, 4);
    EXPECT_TRUE(Ended(Connect()));
    EXPECT_EQ(Count(transport_->counts().refused, "address"), round + 1);
    clients.clear();
    EXPECT_TRUE(Eventually([this] { return transport_->counts().connections == 0; }));
    clock_.Advance(std::chrono::seconds(1));  // an address may not come too often either
  }
  EXPECT_TRUE(Eventually([this] { return echo_.ended == 12; }));
}

TEST_P(TransportTest, OnceStoppedItLetsNobodyInAndServesOn) {
  Start(GetParam());
  const Descriptor client = Connect();
  ASSERT_TRUE(Send(client, kPreface));
  ASSERT_EQ(Receive(client, kPreface.size()), kPreface);
  transport_->StopAccepting();
  EXPECT_FALSE(Connect().valid());
  ASSERT_TRUE(Send(client, kEmptyData));
  EXPECT_EQ(Receive(client, kEmptyData.size()), kEmptyData);
}

INSTANTIATE_TEST_SUITE_P(GuardedAndNot, TransportTest, ::testing::Bool());

using GuardTest = TransportTest;

TEST_F(GuardTest, WhatIsNotHttp2NeverReachesTheServer) {
  Start(true);
  const Descriptor client = Connect();
  ASSERT_TRUE(Send(client, "GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(Ended(client));
  EXPECT_EQ(echo_.served, 0);
  EXPECT_EQ(Count(transport_->counts().closes, "preface"), 1);
  EXPECT_EQ(jailed_, 0);
}

TEST_F(GuardTest, AGreetingMayComeInPieces) {
  Start(true);
  const Descriptor client = Connect();
  ASSERT_TRUE(Send(client, kPreface.substr(0, 7)));
  EXPECT_EQ(Receive(client, 1, 50), "");
  EXPECT_EQ(echo_.served, 0);
  ASSERT_TRUE(Send(client, kPreface.substr(7)));
  EXPECT_EQ(Receive(client, kPreface.size()), kPreface);
}

TEST_F(GuardTest, ASilentConnectionIsClosed) {
  Start(true);
  const Descriptor silent = Connect();
  // A connection beside it wakes the relay, whose clock stands still; once more where it came too early.
  EXPECT_TRUE(Eventually([this] {
    clock_.Advance(std::chrono::seconds(11));
    Connect().Close();
    return Count(transport_->counts().closes, "silent") >= 1;
  }));
  EXPECT_TRUE(Ended(silent));
}

TEST_F(GuardTest, WhoBreaksARuleIsClosedAndMayNotComeBackForAWhile) {
  Start(true);
  const Descriptor client = Connect();
  std::string flood = kPreface;
  for (int i = 0; i < 300; ++i) {
    flood += kEmptyData;
  }
  Send(client, flood);
  EXPECT_TRUE(Ended(client));
  EXPECT_EQ(Count(transport_->counts().closes, "control_frames"), 1);
  EXPECT_EQ(jailed_, 1);
  EXPECT_TRUE(Ended(Connect()));
  EXPECT_EQ(Count(transport_->counts().refused, "jail"), 1);
  clock_.Advance(std::chrono::seconds(1));
  const Descriptor again = Connect();
  ASSERT_TRUE(Send(again, kPreface));
  EXPECT_EQ(Receive(again, kPreface.size()), kPreface);
}

TEST_F(GuardTest, ResetsMakeAConnectionWaitAndLoseNothing) {
  Start(true);
  const Descriptor client = Connect();
  std::string flood = kPreface + kAcknowledged;
  for (int i = 0; i < 120; ++i) {  // HEADERS and RST_STREAM of one stream
    flood += std::string("\0\0\1\1\4\0\0\0\3x", 10) + std::string("\0\0\4\3\0\0\0\0\3\0\0\0\0", 13);
  }
  ASSERT_TRUE(Send(client, flood));
  EXPECT_EQ(Receive(client, flood.size()), flood);
  EXPECT_EQ(Count(transport_->counts().pauses, "instant_resets"), 1);
  ASSERT_TRUE(Send(client, kEmptyData));
  EXPECT_EQ(Receive(client, 1, 50), "");  // it is not read
  clock_.Advance(std::chrono::seconds(2));
  const Descriptor other = Connect();  // wakes the relay, whose clock has stood still
  EXPECT_EQ(Receive(client, kEmptyData.size()), kEmptyData);
}

}  // namespace
}  // namespace spikeserve::testing
