#pragma once

#include <sys/socket.h>

#include <string>

namespace spikeserve::transport {

// Who connects, as far as shares are counted: an IPv4 address, or the /64 network of an IPv6 address, of
// which one user has them all. Empty for a unix socket, whose users cannot be told apart.
std::string PeerOf(const sockaddr_storage& address);

}  // namespace spikeserve::transport
