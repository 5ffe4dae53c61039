// Who may connect: shares, rates, and the jail.

#include "server/transport/admission.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace spikeserve::testing {
namespace {

using transport::Admission;
using transport::AdmissionOptions;
using transport::Refusal;

const Clock::TimePoint kStart = Clock::TimePoint() + std::chrono::hours(1);
constexpr const char* kPeer = "192.0.2.1";

TEST(Admission, KeepsTheShareOfAnAddressAndTheTotal) {
  Admission admission(AdmissionOptions{3, 2, 0});
  EXPECT_EQ(admission.Enter(kPeer, kStart), Refusal::kNone);
  EXPECT_EQ(admission.Enter(kPeer, kStart), Refusal::kNone);
  EXPECT_EQ(admission.Enter(kPeer, kStart), Refusal::kAddress);
  EXPECT_EQ(admission.Enter("192.0.2.2", kStart), Refusal::kNone);
  EXPECT_EQ(admission.Enter("192.0.2.3", kStart), Refusal::kTotal);
  EXPECT_EQ(admission.connections(), 3);
  admission.Leave(kPeer);
  EXPECT_EQ(admission.Enter("192.0.2.3", kStart), Refusal::kNone);
  EXPECT_EQ(admission.refusals().at(static_cast<std::size_t>(Refusal::kAddress)), 1);
  EXPECT_EQ(admission.refusals().at(static_cast<std::size_t>(Refusal::kTotal)), 1);
}

TEST(Admission, UsersOfAUnixSocketHaveNoShares) {
  Admission admission(AdmissionOptions{3, 1, 1});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(admission.Enter("", kStart), Refusal::kNone);
  }
  EXPECT_EQ(admission.Enter("", kStart), Refusal::kTotal);
  EXPECT_EQ(admission.Jail("", kStart).count(), 0);
  EXPECT_EQ(admission.Count("", {1'000'000, 1'000'000, 0}, kStart).count(), 0);
}

TEST(Admission, AnAddressMayNotConnectTooOften) {
  Admission admission(AdmissionOptions{100, 2, 10});
  const auto visit = [&](Clock::TimePoint at) {
    const Refusal refusal = admission.Enter(kPeer, at);
    if (refusal == Refusal::kNone) {
      admission.Leave(kPeer);
    }
    return refusal;
  };
  int taken = 0;
  for (int i = 0; i < 1'000; ++i) {  // one a millisecond
    taken += visit(kStart + std::chrono::milliseconds(i)) == Refusal::kNone ? 1 : 0;
  }
  EXPECT_GE(taken, 10);
  EXPECT_LE(taken, 14);
  EXPECT_EQ(admission.Enter("192.0.2.2", kStart), Refusal::kNone);
  EXPECT_EQ(visit(kStart + std::chrono::seconds(2)), Refusal::kNone);
}

TEST(Admission, EachOffenceIsPunishedTwiceAsLong) {
  Admission admission(AdmissionOptions{});
  Clock::TimePoint now = kStart;
  for (const int seconds : {1, 2, 4, 8, 16, 32, 32}) {
    EXPECT_EQ(admission.Jail(kPeer, now), std::chrono::seconds(seconds));
    EXPECT_EQ(admission.Jail(kPeer, now).count(), 0);  // it is there already
    EXPECT_EQ(admission.Enter(kPeer, now + std::chrono::milliseconds(999)), Refusal::kJail);
    EXPECT_EQ(admission.Enter("192.0.2.2", now), Refusal::kNone);
    now += std::chrono::seconds(seconds);
    EXPECT_EQ(admission.Enter(kPeer, now), Refusal::kNone);
  }
  now += std::chrono::seconds(100);
  EXPECT_EQ(admission.Jail(kPeer, now), std::chrono::seconds(1));  // forgiven
}

TEST(Admission, RemembersAnOffenderWhoHasNoConnection) {
  Admission admission(AdmissionOptions{});
  EXPECT_EQ(admission.Jail(kPeer, kStart), std::chrono::seconds(1));
  const auto later = kStart + std::chrono::seconds(30);
  EXPECT_EQ(admission.Enter("192.0.2.2", later), Refusal::kNone);  // sweeps
  EXPECT_EQ(admission.Jail(kPeer, later), std::chrono::seconds(2));
}

TEST(Admission, ResetsAreCountedOverAllConnectionsOfAnAddress) {
  Admission admission(AdmissionOptions{});
  EXPECT_EQ(admission.Count(kPeer, {4'000, 0, 0}, kStart).count(), 0);
  EXPECT_EQ(admission.Count(kPeer, {2'000, 0, 0}, kStart), std::chrono::seconds(1));
  const auto later = kStart + std::chrono::hours(1);
  EXPECT_EQ(admission.Count(kPeer, {500, 500, 0}, later).count(), 0);
  EXPECT_EQ(admission.Count(kPeer, {20, 20, 0}, later), std::chrono::milliseconds(100));
  EXPECT_EQ(admission.Count("192.0.2.2", {500, 500, 0}, later).count(), 0);
}

TEST(Admission, LargeHeadersAreCountedOverAllConnectionsOfAnAddress) {
  Admission admission(AdmissionOptions{});
  EXPECT_EQ(admission.Count(kPeer, {0, 0, 2 << 20}, kStart).count(), 0);
  EXPECT_EQ(admission.Count(kPeer, {0, 0, 1 << 20}, kStart), std::chrono::seconds(1));
  EXPECT_EQ(admission.Count("192.0.2.2", {0, 0, 2 << 20}, kStart).count(), 0);
}

sockaddr_storage Address(int family, const char* text) {
  sockaddr_storage storage{};
  storage.ss_family = static_cast<sa_family_t>(family);
  void* const to = family == AF_INET ? static_cast<void*>(&reinterpret_cast<sockaddr_in&>(storage).sin_addr)
                                     : &reinterpret_cast<sockaddr_in6&>(storage).sin6_addr;
  EXPECT_EQ(inet_pton(family, text, to), 1);
  return storage;
}

TEST(PeerOf, IsAnAddressOrANetworkOfIPv6) {
  EXPECT_EQ(transport::PeerOf(Address(AF_INET, "192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(transport::PeerOf(Address(AF_INET6, "::ffff:192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(transport::PeerOf(Address(AF_INET6, "2001:db8:1:2:3:4:5:6")), "2001:db8:1:2::/64");
  EXPECT_EQ(transport::PeerOf(sockaddr_storage{AF_UNIX, {}, {}}), "");
}

}  // namespace
}  // namespace spikeserve::testing
