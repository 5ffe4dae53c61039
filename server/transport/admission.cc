#include "server/transport/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace spikeserve::transport {
namespace {

constexpr std::chrono::seconds kFirstSentence{1};
constexpr std::chrono::seconds kLongestSentence{32};
// After so long without an offence the next one is a first one.
constexpr std::chrono::seconds kForgiven{60};
constexpr std::chrono::seconds kSweepEvery{1};
// Addresses without a connection that are remembered; beyond, all of them are forgotten.
constexpr std::size_t kMaxAddresses = 65'536;

std::string Text(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, address, text.data(), text.size()) != nullptr ? text.data() : "";
}

}  // namespace

const char* RefusalName(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "none";
    case Refusal::kTotal: return "total";
    case Refusal::kAddress: return "address";
    case Refusal::kRate: return "rate";
    case Refusal::kJail: return "jail";
    case Refusal::kDescriptors: return "descriptors";
  }
  return "";
}

std::string PeerOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return Text(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  }
  if (address.ss_family != AF_INET6) {
    return {};
  }
  in6_addr six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&six)) {  // IPv4, by a socket that takes both
    return Text(AF_INET, std::next(static_cast<const std::uint8_t*>(six.s6_addr), 12));
  }
  constexpr int kNetworkBytes = 8;
  std::fill(std::next(static_cast<std::uint8_t*>(six.s6_addr), kNetworkBytes), std::end(six.s6_addr),
            std::uint8_t{0});
  return Text(AF_INET6, &six) + "/64";
}

Refusal Admission::Enter(const std::string& peer, Clock::TimePoint now) {
  const MutexLock lock(mu_);
  if (now - swept_ >= kSweepEvery || addresses_.size() > 2 * kMaxAddresses) {
    Sweep(now);
  }
  const Refusal refusal = Judge(peer, now);
  if (refusal != Refusal::kNone) {
    ++refusals_[static_cast<std::size_t>(refusal)];
    return refusal;
  }
  ++connections_;
  if (!peer.empty()) {
    ++Find(peer).connections;
  }
  return refusal;
}

Refusal Admission::Judge(const std::string& peer, Clock::TimePoint now) {
  if (!peer.empty()) {
    Address& address = Find(peer);
    if (now < address.free_at) {
      return Refusal::kJail;
    }
    if (options_.connections_per_second > 0 && address.newcomers.Debt(now).count() > 0) {
      return Refusal::kRate;
    }
    if (address.connections >= options_.max_per_address) {
      return Refusal::kAddress;
    }
    if (options_.connections_per_second > 0) {
      static_cast<void>(address.newcomers.Take(1, now));
    }
  }
  return connections_ < options_.max_connections ? Refusal::kNone : Refusal::kTotal;
}

void Admission::Leave(const std::string& peer) {
  const MutexLock lock(mu_);
  --connections_;
  if (!peer.empty()) {
    --Find(peer).connections;
  }
}

void Admission::CountRefusal(Refusal refusal) {
  const MutexLock lock(mu_);
  ++refusals_[static_cast<std::size_t>(refusal)];
}

std::chrono::seconds Admission::Jail(const std::string& peer, Clock::TimePoint now) {
  const MutexLock lock(mu_);
  if (peer.empty()) {
    return std::chrono::seconds(0);
  }
  Address& address = Find(peer);
  if (now < address.free_at) {  // an older connection of the same kind
    return std::chrono::seconds(0);
  }
  const bool again = address.sentence.count() > 0 && now < address.free_at + kForgiven;
  address.sentence = again ? std::min(2 * address.sentence, kLongestSentence) : kFirstSentence;
  address.free_at = now + address.sentence;
  return address.sentence;
}

Clock::TimePoint::duration Admission::Count(const std::string& peer, const Toll& toll, Clock::TimePoint now) {
  const MutexLock lock(mu_);
  if (peer.empty()) {
    return {};
  }
  Address& address = Find(peer);
  static_cast<void>(address.resets.Take(toll.resets, now));
  static_cast<void>(address.instant_resets.Take(toll.instant_resets, now));
  static_cast<void>(address.header_bytes.Take(static_cast<double>(toll.header_bytes), now));
  return std::max(
      {address.resets.Debt(now), address.instant_resets.Debt(now), address.header_bytes.Debt(now)});
}

Admission::Address& Admission::Find(const std::string& peer) {
  const double rate = std::max(options_.connections_per_second, 1.0);
  return addresses_
      .try_emplace(peer, Address{0, TokenBucket(rate, static_cast<double>(options_.max_per_address))})
      .first->second;
}

void Admission::Sweep(Clock::TimePoint now) {
  swept_ = now;
  const auto forget = [now](bool all) {
    return [now, all](const auto& entry) {
      const Address& address = entry.second;
      return address.connections == 0 &&
             (all || (address.newcomers.full(now) && now >= address.free_at + kForgiven));
    };
  };
  std::erase_if(addresses_, forget(false));
  if (addresses_.size() > kMaxAddresses) {
    std::erase_if(addresses_, forget(true));
  }
}

int Admission::connections() const {
  const MutexLock lock(mu_);
  return connections_;
}

std::array<std::int64_t, kRefusals> Admission::refusals() const {
  const MutexLock lock(mu_);
  return refusals_;
}

}  // namespace spikeserve::transport
