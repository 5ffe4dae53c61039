#include "server/transport/transport.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "server/base/cores.h"

namespace spikeserve::transport {
namespace {

// Newcomers of one address when there is a guard; without one they cost little.
constexpr double kConnectionsPerSecond = 10;

// One carries some gigabits a second.
std::size_t RelayCount() {
  constexpr std::int64_t kCoresEach = 4;
  constexpr std::int64_t kMost = 4;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(UsableCores() / kCoresEach, 1, kMost));
}

AdmissionOptions WithRate(AdmissionOptions options, bool guarded) {
  options.connections_per_second = guarded ? kConnectionsPerSecond : 0;
  return options;
}

TransportCounts::ByReason ByRule(const std::array<std::atomic<std::int64_t>, kRules>& counts) {
  TransportCounts::ByReason named;
  for (std::size_t i = 1; i < counts.size(); ++i) {  // the first is none
    named.emplace_back(RuleName(static_cast<Rule>(i)), counts.at(i));
  }
  return named;
}

}  // namespace

Transport::Transport(TransportOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      admission_(WithRate(options_.admission, options_.guarded)),
      address_(options_.address) {}

Result<std::unique_ptr<Transport>> Transport::Listen(TransportOptions options, const Clock& clock) {
  const auto address = ParseListenAddress(options.address);
  if (!address.ok()) {
    return address.status();
  }
  std::unique_ptr<Transport> self(new Transport(std::move(options), clock));
  if (self->options_.tls) {
    auto tls = TlsSettings::Create(*self->options_.tls);
    if (!tls.ok()) {
      return tls.status();
    }
    self->tls_ = std::move(tls).value();
  }
  auto sockets = ListeningSockets::Listen(address.value());
  if (!sockets.ok()) {
    return sockets.status();
  }
  self->sockets_ = std::make_unique<ListeningSockets>(std::move(sockets).value());
  if (!address.value().is_unix()) {
    const std::string host = self->address_.substr(0, self->address_.rfind(':'));
    self->address_ = (host.empty() ? "0.0.0.0" : host) + ":" + std::to_string(self->sockets_->port());
  }
  return self;
}

Transport::~Transport() {
  StopAccepting();
  relays_.clear();
}

void Transport::Serve(std::function<void(int descriptor)> serve) {
  if (!relayed()) {
    connections_ = std::make_unique<OpenConnections>(admission_, std::move(serve));
    acceptor_ = std::make_unique<Acceptor>(sockets_->descriptors(), admission_, clock_,
                                           [this](Descriptor socket, std::string peer) {
                                             connections_->Add(std::move(socket), std::move(peer));
                                           });
    return;
  }
  relay_context_ = std::make_unique<RelayContext>(RelayContext{
      admission_, clock_, counters_, options_.guarded, tls_.get(), std::move(serve), options_.on_offence});
  for (std::size_t i = 0; i < RelayCount(); ++i) {
    relays_.push_back(std::make_unique<Relay>(*relay_context_));
  }
  acceptor_ = std::make_unique<Acceptor>(
      sockets_->descriptors(), admission_, clock_, [this](Descriptor socket, std::string peer) {
        relays_[next_relay_++ % relays_.size()]->Add(std::move(socket), std::move(peer));
      });
}

void Transport::StopAccepting() {
  acceptor_.reset();
  sockets_.reset();
}

Status Transport::SetTls(const TlsTexts& texts) {
  return tls_ != nullptr ? tls_->Set(texts) : FailedPrecondition("this server was started without TLS");
}

std::int64_t Transport::unsent() const {
  return std::accumulate(
      relays_.begin(), relays_.end(), std::int64_t{0},
      [](std::int64_t sum, const std::unique_ptr<Relay>& relay) { return sum + relay->unsent(); });
}

TransportCounts Transport::counts() const {
  TransportCounts counts;
  counts.connections = admission_.connections();
  const auto refusals = admission_.refusals();
  for (std::size_t i = 1; i < refusals.size(); ++i) {  // the first is none
    counts.refused.emplace_back(RefusalName(static_cast<Refusal>(i)), refusals.at(i));
  }
  counts.pauses = ByRule(counters_.pauses);
  counts.closes = ByRule(counters_.closes);
  counts.closes.emplace_back("silent", counters_.silent);
  return counts;
}

}  // namespace spikeserve::transport
