#include "server/transport/listening_sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace spikeserve::transport {
namespace {

// What the system says, and what it means here.
Status Refused(int error, int port) {
  std::string text = std::generic_category().message(error);
  switch (error) {
    case EADDRINUSE: text += " (another process listens there)"; break;
    case EADDRNOTAVAIL: text += " (it is not an address of this machine)"; break;
    case EACCES: text += " (this user may not listen on port " + std::to_string(port) + ")"; break;
    default: break;
  }
  return Unavailable(text);
}

struct Found {
  sockaddr_storage address{};
  socklen_t size = 0;
};

// Every address of `host`; of "0.0.0.0" and "::" the one that stands for all.
Result<std::vector<Found>> Resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* first = nullptr;
  if (const int error = getaddrinfo(host.c_str(), "0", &hints, &first); error != 0) {
    return Unavailable("the name " + host + " is not known: " + gai_strerror(error));
  }
  std::vector<Found> found;
  for (const addrinfo* each = first; each != nullptr; each = each->ai_next) {
    Found& one = found.emplace_back();
    std::memcpy(&one.address, each->ai_addr, each->ai_addrlen);
    one.size = each->ai_addrlen;
  }
  freeaddrinfo(first);
  return found;
}

in_port_t& PortOf(sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                       : reinterpret_cast<sockaddr_in&>(address).sin_port;
}

// Listens on one address; errno where it cannot, else 0. A `port` of 0 becomes the one that was picked.
int ListenOn(const Found& found, bool both_families, int& port, Descriptor& made) {
  sockaddr_storage address = found.address;
  PortOf(address) = htons(static_cast<in_port_t>(port));
  Descriptor one(socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  const int only_six = both_families ? 0 : 1;
  const auto set = [&one](int level, int name, const int& value) {
    return setsockopt(one.get(), level, name, &value, sizeof value) == 0;
  };
  // TCP_NODELAY is inherited by what is accepted: gRPC sets it on sockets of its own alone.
  if (!one.valid() || !set(SOL_SOCKET, SO_REUSEADDR, on) || !set(IPPROTO_TCP, TCP_NODELAY, on) ||
      (address.ss_family == AF_INET6 && !set(IPPROTO_IPV6, IPV6_V6ONLY, only_six)) ||
      bind(one.get(), reinterpret_cast<const sockaddr*>(&address), found.size) != 0 ||
      listen(one.get(), SOMAXCONN) != 0) {
    return errno;
  }
  socklen_t size = sizeof address;
  if (getsockname(one.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return errno;
  }
  port = ntohs(PortOf(address));
  made = std::move(one);
  return 0;
}

bool NotOfThisMachine(int error) { return error == EADDRNOTAVAIL || error == EAFNOSUPPORT; }

}  // namespace

Result<ListeningSockets> ListeningSockets::Listen(const ListenAddress& address) {
  ListeningSockets sockets;
  if (address.is_unix()) {
    auto made = UnixSocket::Listen(address.path);
    if (!made.ok()) {
      return made.status();
    }
    sockets.unix_ = std::move(made).value();
    return sockets;
  }
  sockets.port_ = address.port;
  const bool every = address.host.empty() || address.host == "0.0.0.0" || address.host == "::";
  if (every && sockets.ListenOnHost("::", true).ok()) {
    return sockets;  // both families by one socket
  }
  // A machine without IPv6 has IPv4 at least; and an error is the one of what was asked for.
  const bool six = address.host == "::";
  if (Status status = sockets.ListenOnHost(every && !six ? "0.0.0.0" : address.host, false); !status.ok()) {
    return status;
  }
  return sockets;
}

Status ListeningSockets::ListenOnHost(const std::string& host, bool every) {
  const auto found = Resolve(host);
  if (!found.ok()) {
    return found.status();
  }
  int error = EADDRNOTAVAIL;
  int port = port_;
  for (const Found& each : found.value()) {
    Descriptor made;
    const int failed = ListenOn(each, every, port, made);
    if (failed == 0) {
      sockets_.push_back(std::move(made));
    } else if (!NotOfThisMachine(failed)) {  // such as ::1 of localhost where there is no IPv6
      sockets_.clear();
      return Refused(failed, port_);
    } else {
      error = failed;
    }
  }
  if (sockets_.empty()) {
    return Refused(error, port_);
  }
  port_ = port;
  return {};
}

std::vector<int> ListeningSockets::descriptors() const {
  std::vector<int> numbers;
  for (const Descriptor& socket : sockets_) {
    numbers.push_back(socket.get());
  }
  if (unix_) {
    numbers.push_back(unix_->descriptor());
  }
  return numbers;
}

}  // namespace spikeserve::transport
