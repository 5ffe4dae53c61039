#include "server/transport/open_connections.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <utility>

namespace spikeserve::transport {

OpenConnections::OpenConnections(Admission& admission, std::function<void(int descriptor)> serve)
    : admission_(admission), serve_(std::move(serve)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = stop_.descriptor();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.descriptor(), &event);
  thread_ = std::thread([this] { Run(); });
}

OpenConnections::~OpenConnections() {
  stop_.Call();
  thread_.join();
}

void OpenConnections::Add(Descriptor socket, std::string peer) {
  const int second = fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
  if (second < 0 || !Watch(second, peer)) {
    admission_.Leave(peer);
    admission_.CountRefusal(Refusal::kDescriptors);
    return;
  }
  serve_(socket.Release());
}

bool OpenConnections::Watch(int second, std::string peer) {
  const MutexLock lock(mu_);
  epoll_event event{};  // nothing is asked for: the end is always told
  event.data.fd = second;
  connections_.emplace(second, Connection{Descriptor(second), std::move(peer)});
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, second, &event) == 0) {
    return true;
  }
  connections_.erase(second);
  return false;
}

void OpenConnections::Run() {
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events.at(static_cast<std::size_t>(i)).data.fd;
      if (descriptor == stop_.descriptor()) {
        return;
      }
      Close(descriptor);
    }
  }
}

// gRPC shuts a socket down before it closes it; the peer sees its end once both descriptors are closed.
void OpenConnections::Close(int second) {
  const MutexLock lock(mu_);
  const auto found = connections_.find(second);
  if (found == connections_.end()) {
    return;
  }
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, second, nullptr);  // it would live on with the other descriptor
  admission_.Leave(found->second.peer);
  connections_.erase(found);
}

}  // namespace spikeserve::transport
