#include "server/app/listener_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

namespace spikeserve::app {
namespace {

// What every HTTP/2 client says first, with empty settings; the server answers with its own.
constexpr std::string_view kHello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

Status Failed(const std::string& address, const std::string& what, int error) {
  return Unavailable(address + ": " + what + ": " + std::generic_category().message(error));
}

// An open socket, closed on destruction.
class Socket {
 public:
  explicit Socket(int family) : descriptor_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (descriptor_ >= 0) {
      close(descriptor_);
    }
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int get() const { return descriptor_; }
  // Whether any of `events` came in time.
  bool Await(short events, std::chrono::milliseconds timeout) const {
    pollfd waiting{descriptor_, events, 0};
    return poll(&waiting, 1, static_cast<int>(timeout.count())) == 1;
  }

 private:
  const int descriptor_;
};

Status Exchange(const std::string& address, int family, const sockaddr* target, socklen_t size,
                std::chrono::milliseconds timeout) {
  const Socket connection(family);
  if (connection.get() < 0) {
    return Failed(address, "socket", errno);
  }
  if (connect(connection.get(), target, size) != 0) {
    if (errno != EINPROGRESS) {
      return Failed(address, "connect", errno);
    }
    if (!connection.Await(POLLOUT, timeout)) {
      return Failed(address, "connect", ETIMEDOUT);
    }
    int error = 0;
    socklen_t error_size = sizeof error;
    getsockopt(connection.get(), SOL_SOCKET, SO_ERROR, &error, &error_size);
    if (error != 0) {
      return Failed(address, "connect", error);
    }
  }
  if (send(connection.get(), kHello.data(), kHello.size(), MSG_NOSIGNAL) < 0) {
    return Failed(address, "send", errno);
  }
  // The kernel takes connections for a server that does not; only an answer shows that it does.
  if (!connection.Await(POLLIN, timeout)) {
    return Failed(address, "no answer", ETIMEDOUT);
  }
  return {};
}

Status ProbeUnix(const std::string& address, std::chrono::milliseconds timeout) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  std::string path = address.substr(address.find(':') + 1);
  if (path.rfind("//", 0) == 0) {
    path.erase(0, 2);
  }
  if (path.size() >= sizeof target.sun_path) {
    return Failed(address, "path", ENAMETOOLONG);
  }
  std::memcpy(target.sun_path, path.data(), path.size());
  return Exchange(address, AF_UNIX, reinterpret_cast<const sockaddr*>(&target), sizeof target, timeout);
}

}  // namespace

Status ProbeListener(const std::string& address, std::chrono::milliseconds timeout) {
  if (address.rfind("unix:", 0) == 0) {
    return ProbeUnix(address, timeout);
  }
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found); error != 0) {
    return Unavailable(address + ": " + gai_strerror(error));
  }
  Status status = Exchange(address, found->ai_family, found->ai_addr, found->ai_addrlen, timeout);
  freeaddrinfo(found);
  return status;
}

}  // namespace spikeserve::app
