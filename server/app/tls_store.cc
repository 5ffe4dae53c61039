#include "server/app/tls_store.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>

#include <atomic>
#include <string>
#include <vector>

namespace spikeserve::app {
namespace {

// One port, and which certificate gRPC has for it.
struct Port {
  explicit Port(std::shared_ptr<const TlsStore> of) : store(std::move(of)) {}

  const std::shared_ptr<const TlsStore> store;
  std::atomic<std::uint64_t> fetched = 0;
};

// Called at each handshake, and first when the port is added; gRPC keeps what it got last.
grpc_ssl_certificate_config_reload_status Fetch(void* of, grpc_ssl_server_certificate_config** config) {
  Port& port = *static_cast<Port*>(of);
  const std::uint64_t version = port.store->version();
  if (port.fetched.exchange(version) == version) {
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
  }
  const TlsTexts texts = port.store->texts();  // of that version, or of a later one
  const grpc_ssl_pem_key_cert_pair pair{texts.key.c_str(), texts.cert.c_str()};
  // gRPC aborts where there is no authority, also where it asks no client for a certificate.
  const std::string& authority = texts.client_ca.empty() ? texts.cert : texts.client_ca;
  *config = grpc_ssl_server_certificate_config_create(authority.c_str(), &pair, 1);
  return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

// gRPC's C++ interface has no certificates that change but those that it reads from files itself, without a
// look at whether they fit each other; its C interface asks for them.
class RenewableCredentials final : public grpc::ServerCredentials {
 public:
  explicit RenewableCredentials(std::shared_ptr<const TlsStore> store) : store_(std::move(store)) {}

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {
    GPR_ASSERT(false && "tokens are checked by the calls");
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    ports_.push_back(std::make_unique<Port>(store_));
    const bool clients = !store_->texts().client_ca.empty();
    grpc_server_credentials* credentials = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            clients ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            Fetch, ports_.back().get()));
    const int port = grpc_server_add_http2_port(server, address.c_str(), credentials);
    grpc_server_credentials_release(credentials);  // the server has its own reference
    return port;
  }

  const std::shared_ptr<const TlsStore> store_;
  std::vector<std::unique_ptr<Port>> ports_;
};

}  // namespace

void TlsStore::Set(TlsTexts texts) {
  const MutexLock lock(mu_);
  texts_ = std::move(texts);
  ++version_;
}

TlsTexts TlsStore::texts() const {
  const MutexLock lock(mu_);
  return texts_;
}

std::uint64_t TlsStore::version() const {
  const MutexLock lock(mu_);
  return version_;
}

std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(std::shared_ptr<const TlsStore> store) {
  return std::make_shared<RenewableCredentials>(std::move(store));
}

}  // namespace spikeserve::app
