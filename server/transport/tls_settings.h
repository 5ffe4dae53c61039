#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/transport/descriptor.h"
#include "server/transport/stream.h"

namespace spikeserve::transport {

// PEM texts for TLS, each with what an error calls it, such as a flag and the path of its file.
struct TlsTexts {
  struct Text {
    std::string pem;
    std::string name;
  };
  Text cert;  // chain
  Text key;
  Text client_ca;  // with a text: clients must present a certificate of it
};

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
