#include "server/app/client_connections.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace spikeserve::app {
namespace {

constexpr std::chrono::milliseconds kPause{10};

// A second descriptor of a socket, which stays that socket when gRPC closes its own and the number is taken
// by another.
class Descriptor {
 public:
  explicit Descriptor(int of) : number_(fcntl(of, F_DUPFD_CLOEXEC, 0)) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) {
      close(number_);
    }
  }

  int get() const { return number_; }

 private:
  int number_;
};

std::optional<int> Number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// unix:PATH, unix:///PATH -> PATH
std::string_view UnixPath(std::string_view address) {
  std::string_view path = address.substr(address.find(':') + 1);
  return path.substr(0, 2) == "//" ? path.substr(2) : path;
}

// Whether this end of a socket is `address`; of a HOST:PORT the port decides, as nothing else in this process
// has it.
bool IsAt(int socket, std::string_view address) {
  sockaddr_storage end{};
  socklen_t size = sizeof end;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&end), &size) != 0) {
    return false;
  }
  if (address.substr(0, 5) == "unix:") {
    const auto& local = reinterpret_cast<const sockaddr_un&>(end);
    return end.ss_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path) &&
           UnixPath(address) ==
               std::string_view(local.sun_path, strnlen(local.sun_path, sizeof local.sun_path));
  }
  const auto port = Number(address.substr(address.rfind(':') + 1));
  if (end.ss_family == AF_INET) {
    return port == ntohs(reinterpret_cast<const sockaddr_in&>(end).sin_port);
  }
  return end.ss_family == AF_INET6 && port == ntohs(reinterpret_cast<const sockaddr_in6&>(end).sin6_port);
}

bool Listens(int socket) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

std::vector<int> AllDescriptors() {
  std::vector<int> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    if (const auto number = Number(entry.path().filename().native())) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

// By their inodes, as several descriptors may be of one socket.
using Sockets = std::map<ino_t, Descriptor>;

// The sockets at `address`: those that listen, or all others.
Sockets Find(std::string_view address, bool listening) {
  Sockets found;
  for (const int number : AllDescriptors()) {
    Descriptor descriptor(number);
    struct stat about {};
    if (descriptor.get() >= 0 && fstat(descriptor.get(), &about) == 0 && S_ISSOCK(about.st_mode) &&
        IsAt(descriptor.get(), address) && Listens(descriptor.get()) == listening) {
      found.emplace(about.st_ino, std::move(descriptor));
    }
  }
  return found;
}

// Whether the client has closed its side, or is gone.
bool IsOver(const Descriptor& connection) {
  pollfd state{connection.get(), POLLRDHUP, 0};
  return poll(&state, 1, 0) > 0;
}

Sockets FindOpen(std::string_view address) {
  Sockets found = Find(address, false);
  std::erase_if(found, [](const auto& socket) { return IsOver(socket.second); });
  return found;
}

}  // namespace

std::size_t ClientConnections::Count() const { return FindOpen(address_).size(); }

void ClientConnections::Close(std::chrono::steady_clock::time_point deadline) const {
  for (const auto& [inode, listener] : Find(address_, true)) {
    shutdown(listener.get(), SHUT_RD);  // new ones are refused from here on
  }
  // A descriptor is kept until the client has closed its side: were it closed before, the system would answer
  // what the client still sends with a reset, which may overtake an answer.
  Sockets ending;
  do {
    for (auto& [inode, connection] : FindOpen(address_)) {  // one may have been accepted a moment ago
      if (ending.count(inode) == 0) {
        shutdown(connection.get(), SHUT_WR);
        ending.emplace(inode, std::move(connection));
      }
    }
    std::erase_if(ending, [](const auto& socket) { return IsOver(socket.second); });
    if (ending.empty()) {
      return;
    }
    std::this_thread::sleep_for(kPause);
  } while (std::chrono::steady_clock::now() < deadline);
}

}  // namespace spikeserve::app
