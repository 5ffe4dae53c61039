#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "server/transport/descriptor.h"
#include "server/transport/stream.h"

namespace spikeserve::transport {

// The server's side of TLS over a socket; the handshake goes on whenever it is read or written. By one
// thread.
class TlsStream final : public Stream {
 public:
  TlsStream(SSL_CTX& context, Descriptor socket);
  ~TlsStream() override;

  Moved Read(std::span<std::uint8_t> to) override;
  Moved Write(std::span<const std::uint8_t> from) override;
  int descriptor() const override { return socket_.get(); }

 private:
  Moved Result(int moved);

  const Descriptor socket_;
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  bool failed_ = false;  // there is nobody left to say goodbye to
};

}  // namespace spikeserve::transport
