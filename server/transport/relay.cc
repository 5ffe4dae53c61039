#include "server/transport/relay.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string>

namespace spikeserve::transport {
namespace {

constexpr std::size_t kBufferBytes = 128 << 10;
// A client's first bytes, after TLS, are there within this time.
constexpr std::chrono::seconds kHandshake{10};
// For a client to take the rest once who serves has ended its connection, and for its machine to say that it
// is there.
constexpr std::chrono::seconds kLeaving{20};
constexpr int kUserTimeoutMs = 30'000;
// For clients to take what is on its way when who serves has ended.
constexpr std::chrono::seconds kLastBytes{2};
// Of the pair of sockets: who serves can go on while a client's turn comes.
constexpr int kPairBytes = 1 << 20;
constexpr std::uint64_t kWakeTag = 0;

}  // namespace

Relay::Relay(const RelayContext& context)
    : context_(context), epoll_(epoll_create1(EPOLL_CLOEXEC)), buffer_(kBufferBytes) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeTag;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.descriptor(), &event);
  thread_ = std::thread([this] { Run(); });
}

Relay::~Relay() {
  stopping_ = true;
  wake_.Call();
  thread_.join();
}

void Relay::Add(Descriptor socket, std::string peer) {
  {
    const MutexLock lock(mu_);
    newcomers_.emplace_back(std::move(socket), std::move(peer));
  }
  wake_.Call();
}

void Relay::Run() {
  sigset_t signals;  // OpenSSL writes to sockets whose other end is gone
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  while (!Finished()) {
    Await();
    now_ = context_.clock.Now();
    TakeNewcomers();
    TakeTimers();
    std::sort(ready_.begin(), ready_.end());
    ready_.erase(std::unique(ready_.begin(), ready_.end()), ready_.end());
    for (const Id id : std::exchange(ready_, {})) {
      Pump(id);
    }
  }
}

bool Relay::Finished() {
  if (!stopping_) {
    return false;
  }
  if (stop_at_ == Clock::TimePoint()) {
    stop_at_ = context_.clock.Now() + kLastBytes;
    timers_.emplace(stop_at_, 0);
    std::erase_if(connections_, [](const auto& entry) { return !entry.second->connected(); });
  }
  return connections_.empty() || context_.clock.Now() >= stop_at_;
}

int Relay::TimeoutMs() const {
  if (!ready_.empty()) {
    return 0;
  }
  if (timers_.empty()) {
    return -1;
  }
  const auto left = timers_.top().first - context_.clock.Now();
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000));
}

void Relay::Await() {
  std::array<epoll_event, 256> events;  // NOLINT: written by epoll_wait
  const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), TimeoutMs());
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events.at(static_cast<std::size_t>(i));
    if (event.data.u64 == kWakeTag) {
      wake_.Clear();
      continue;
    }
    const auto found = connections_.find(event.data.u64 >> 1U);
    if (found == connections_.end()) {
      continue;
    }
    const bool ending = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if ((event.data.u64 & 1U) != 0) {
      found->second->InnerReady(ending);
    } else {
      found->second->OuterReady(ending);
    }
    ready_.push_back(found->first);
  }
}

void Relay::TakeNewcomers() {
  std::vector<std::pair<Descriptor, std::string>> newcomers;
  {
    const MutexLock lock(mu_);
    newcomers.swap(newcomers_);
  }
  for (auto& [socket, peer] : newcomers) {
    const Id id = next_id_++;
    const int descriptor = socket.get();
    auto stream = context_.tls != nullptr ? context_.tls->Accept(std::move(socket))
                                          : std::make_unique<PlainStream>(std::move(socket));
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
    if (stopping_ || !Register(descriptor, id << 1U)) {
      context_.admission.Leave(peer);
      continue;
    }
    connections_.emplace(
        id, std::make_unique<RelayedConnection>(std::move(stream), std::move(peer), context_.guarded));
    timers_.emplace(now_ + kHandshake, id);
    ready_.push_back(id);
  }
}

// A timer is the end of a pause, or of the time for the first bytes; which one shows in the connection.
void Relay::TakeTimers() {
  while (!timers_.empty() && timers_.top().first <= now_) {
    const auto found = connections_.find(timers_.top().second);
    timers_.pop();
    if (found == connections_.end()) {
      continue;
    }
    const RelayedConnection& connection = *found->second;
    if (connection.close_at && now_ >= *connection.close_at) {
      Close(found->first);
    } else if (connection.connected()) {
      ready_.push_back(found->first);
    } else {
      ++context_.counters.silent;
      Close(found->first);
    }
  }
}

void Relay::Pump(Id id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) {
    return;
  }
  RelayedConnection& connection = *found->second;
  pumped_ = id;
  const RelayedConnection::Next next = connection.Pump(*this, buffer_, now_);
  if (const auto paused_until = connection.TakeNewPause()) {
    ++context_.counters.pauses.at(static_cast<std::size_t>(connection.paused_by()));
    timers_.emplace(*paused_until, id);
  }
  CountUnsent(connection, next != RelayedConnection::Next::kClose && connection.unsent());
  if (next == RelayedConnection::Next::kEvent && connection.ended_inside() && !connection.close_at) {
    connection.close_at = now_ + kLeaving;
    timers_.emplace(*connection.close_at, id);
  }
  if (next == RelayedConnection::Next::kTurn) {
    ready_.push_back(id);
  } else if (next == RelayedConnection::Next::kClose) {
    Close(id);
  }
}

void Relay::Close(Id id) {
  const auto found = connections_.find(id);
  CountUnsent(*found->second, false);
  Punish(*found->second);
  context_.admission.Leave(found->second->peer());
  connections_.erase(found);
}

void Relay::CountUnsent(RelayedConnection& connection, bool unsent) {
  if (std::exchange(connection.counted_unsent, unsent) != unsent) {
    unsent_ += unsent ? 1 : -1;
  }
}

void Relay::Punish(const RelayedConnection& connection) {
  const Rule rule = connection.closed_by();
  if (rule == Rule::kNone) {
    return;
  }
  ++context_.counters.closes.at(static_cast<std::size_t>(rule));
  if (rule == Rule::kPreface ||
      rule == Rule::kHeaderBlock) {  // mistakes of honest clients, and dear to nobody
    return;
  }
  const std::chrono::seconds jailed = context_.admission.Jail(connection.peer(), now_);
  if (context_.on_offence) {
    context_.on_offence({connection.peer(), RuleName(rule), jailed});
  }
}

// Gives our end a name, by which who serves tells connections apart: it has to be fair to them. Without one,
// where the name is taken, the connection works as well.
void Relay::NameEnd(int descriptor) const {
  const auto connection = connections_.find(pumped_);
  const std::string peer = connection == connections_.end() ? "" : connection->second->peer();
  const std::string name = "spikeserve/" + std::to_string(getpid()) + "/" +
                           std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "." +
                           std::to_string(pumped_) + "/" + peer;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::min(name.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data(), size);  // after a zero: in no folder
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  static_cast<void>(bind(descriptor, reinterpret_cast<const sockaddr*>(&address), bytes));
}

std::unique_ptr<Stream> Relay::Connect() {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    context_.admission.CountRefusal(Refusal::kDescriptors);
    return nullptr;
  }
  Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  NameEnd(ours.get());
  for (const int end : pair) {
    setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kPairBytes, sizeof kPairBytes);
  }
  if (!Register(ours.get(), pumped_ << 1U | 1U)) {
    return nullptr;
  }
  context_.serve(theirs.Release());
  return std::make_unique<PlainStream>(std::move(ours));
}

Clock::TimePoint::duration Relay::Count(const std::string& peer, const Toll& toll) {
  return context_.admission.Count(peer, toll, now_);
}

bool Relay::Register(int descriptor, std::uint64_t tag) const {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = tag;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

}  // namespace spikeserve::transport
