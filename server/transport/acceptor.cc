#include "server/transport/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace spikeserve::transport {
namespace {

// Connections of one socket before the others are looked at.
constexpr int kRound = 64;
// A pause where the system has no memory, so that the loop does not spin.
constexpr int kPauseMs = 20;

Descriptor OpenSpare() { return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

Acceptor::Acceptor(std::vector<int> listeners, Admission& admission, const Clock& clock, Taker taker)
    : listeners_(std::move(listeners)),
      admission_(admission),
      clock_(clock),
      taker_(std::move(taker)),
      spare_(OpenSpare()),
      thread_([this] { Run(); }) {}

Acceptor::~Acceptor() {
  stop_.Call();
  thread_.join();
}

void Acceptor::Run() {
  std::vector<pollfd> waiting{{stop_.descriptor(), POLLIN, 0}};
  for (const int listener : listeners_) {
    waiting.push_back({listener, POLLIN, 0});
  }
  while (true) {
    poll(waiting.data(), waiting.size(), -1);
    if (waiting[0].revents != 0) {
      return;
    }
    bool pause = false;
    for (std::size_t i = 1; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) {
        continue;
      }
      const Next next = AcceptSome(waiting[i].fd);
      pause = pause || next == Next::kPause;
      if (next == Next::kNothing) {
        waiting[i].fd = -1;  // poll looks past it
      }
    }
    if (pause) {
      poll(waiting.data(), 1, kPauseMs);
    }
  }
}

Acceptor::Next Acceptor::AcceptSome(int listener) {
  for (int i = 0; i < kRound; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Descriptor socket(
        accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.valid()) {
      Admit(std::move(socket), PeerOf(address));
      continue;
    }
    switch (errno) {
      case EAGAIN: return Next::kEvent;
      case EINVAL: return Next::kNothing;
      case EMFILE:
      case ENFILE:
        if (!spare_.valid()) {
          spare_ = OpenSpare();
          return Next::kPause;
        }
        TurnOneAway(listener);
        break;
      case ENOBUFS:
      case ENOMEM: return Next::kPause;
      default: break;  // of a connection that is gone already
    }
  }
  return Next::kEvent;
}

void Acceptor::Admit(Descriptor socket, const std::string& peer) {
  if (admission_.Enter(peer, clock_.Now()) == Refusal::kNone) {
    taker_(std::move(socket), peer);
  }
}

void Acceptor::TurnOneAway(int listener) {
  spare_.Close();
  Descriptor(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)).Close();
  spare_ = OpenSpare();
  admission_.CountRefusal(Refusal::kDescriptors);
}

}  // namespace spikeserve::transport
