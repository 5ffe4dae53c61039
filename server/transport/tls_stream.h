#pragma once

#include <openssl/ssl.h>

#include <cstddef>
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
  // Of OpenSSL, for each message of TLS itself.
  static void CountMessage(int written, int version, int type, const void* bytes, std::size_t size, SSL* ssl,
                           void* stream);

  const Descriptor socket_;
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  int messages_ = 0;     // of TLS itself that came since the last bytes
  bool failed_ = false;  // there is nobody left to say goodbye to
};

}  // namespace spikeserve::transport
