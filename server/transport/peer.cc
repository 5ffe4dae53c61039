#include "server/transport/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

namespace spikeserve::transport {
namespace {

std::string Text(int family, const void* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, address, text.data(), text.size()) != nullptr ? text.data() : "";
}

}  // namespace

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

}  // namespace spikeserve::transport
