#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/transport/acceptor.h"
#include "server/transport/admission.h"
#include "server/transport/listening_sockets.h"
#include "server/transport/open_connections.h"
#include "server/transport/relay.h"
#include "server/transport/tls_settings.h"
#include "server/transport/transport_options.h"

namespace spikeserve::transport {

// The sockets of the server: listens, decides who is let in, and passes connections on; with TLS or a guard
// through relays, else themselves. Listen, Serve and StopAccepting by one thread, the rest by any.
class Transport {
 public:
  // Connections wait in the system until Serve. INVALID_ARGUMENT where the address is none or the TLS texts
  // are wrong, UNAVAILABLE where the address cannot be listened on. `clock` outlives the transport.
  static Result<std::unique_ptr<Transport>> Listen(TransportOptions options, const Clock& clock);
  // Where there are relays, once who serves has ended all connections.
  ~Transport();

  // HOST:PORT with the port in use, or unix:PATH.
  const std::string& address() const { return address_; }
  // From now on `serve` becomes the owner of each connection that is let in, which is always plain text.
  void Serve(std::function<void(int descriptor)> serve);
  // Lets nobody in any more and listens no longer; connections go on until they or the transport end.
  void StopAccepting();

  // For connections from now on; the others keep what they have. INVALID_ARGUMENT, with all as it was, where
  // the texts are wrong; FAILED_PRECONDITION where there is no TLS.
  Status SetTls(const TlsTexts& texts);
  TransportCounts counts() const;
  // Connections with bytes that who serves has written and their clients do not take now.
  std::int64_t unsent() const;

 private:
  Transport(TransportOptions options, const Clock& clock);

  bool relayed() const { return options_.guarded || tls_ != nullptr; }

  const TransportOptions options_;
  const Clock& clock_;
  Admission admission_;
  GuardCounters counters_;
  std::string address_;
  std::unique_ptr<TlsSettings> tls_;
  std::unique_ptr<ListeningSockets> sockets_;
  std::unique_ptr<RelayContext> relay_context_;
  std::vector<std::unique_ptr<Relay>> relays_;
  std::size_t next_relay_ = 0;  // of the acceptor's thread
  std::unique_ptr<OpenConnections> connections_;
  std::unique_ptr<Acceptor> acceptor_;  // last: it hands over to those before
};

}  // namespace spikeserve::transport
