#pragma once

#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "server/app/certificate.h"
#include "server/base/mutex.h"

namespace spikeserve::app {

// The certificate in use, which may be renewed while the server runs. Thread-safe.
class TlsStore {
 public:
  // `texts` were checked, here and below.
  explicit TlsStore(TlsTexts texts) : texts_(std::move(texts)) {}

  // Connections from now on get this one; those that there are live on. Whether clients must have a
  // certificate does not change.
  void Set(TlsTexts texts);

  TlsTexts texts() const;
  // How often there was a new one.
  std::uint64_t version() const;

 private:
  mutable Mutex mu_;
  TlsTexts texts_ SPIKESERVE_GUARDED_BY(mu_);
  std::uint64_t version_ SPIKESERVE_GUARDED_BY(mu_) = 1;
};

// For a gRPC server, which they have to outlive: TLS with what is in `store` when a connection begins. Client
// certificates are asked for where there is an authority for them now.
std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(std::shared_ptr<const TlsStore> store);

}  // namespace spikeserve::app
