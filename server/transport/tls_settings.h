#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/transport/descriptor.h"
#include "server/transport/stream.h"
#include "server/transport/transport_options.h"

namespace spikeserve::transport {

// What TLS connections are made with; it may change while there are some, which keep what they have.
// Thread-safe.
class TlsSettings {
 public:
  // INVALID_ARGUMENT says which text is wrong, and how: no PEM, another key's certificate.
  static Result<std::unique_ptr<TlsSettings>> Create(const TlsTexts& texts);
  // For connections from now on. As Create; where it fails, all stays as it was.
  Status Set(const TlsTexts& texts);

  // The server's side of TLS on a connection, which has to be about HTTP/2.
  std::unique_ptr<Stream> Accept(Descriptor socket) const;

 private:
  TlsSettings() = default;

  mutable Mutex mu_;
  std::shared_ptr<SSL_CTX> context_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::transport
