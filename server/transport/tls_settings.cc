#include "server/transport/tls_settings.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

#include "server/transport/tls_stream.h"

namespace spikeserve::transport {
namespace {

// What HTTP/2 allows of TLS 1.2 (RFC 9113, 9.2.2); all of TLS 1.3 is.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

// Why OpenSSL refused last.
std::string Reason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "OpenSSL does not say why";
}

Status Refuse(const TlsTexts::Text& text, const std::string& what) {
  return InvalidArgument(text.name + ": " + what);
}

Bio Open(const TlsTexts::Text& text) {
  return Bio(BIO_new_mem_buf(text.pem.data(), static_cast<int>(text.pem.size())));
}

// All certificates of a text, at least one.
Result<std::vector<Certificate>> ReadCertificates(const TlsTexts::Text& text) {
  const Bio bio = Open(text);
  std::vector<Certificate> found;
  ERR_clear_error();
  while (Certificate one{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    found.push_back(std::move(one));
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (found.empty() && ended) {
    ERR_clear_error();
    return Refuse(text, "there is no PEM certificate in it (-----BEGIN CERTIFICATE-----)");
  }
  if (!ended) {
    return Refuse(text, "certificate " + std::to_string(found.size() + 1) + " of it is damaged: " + Reason());
  }
  ERR_clear_error();
  return found;
}

// A key that wants a password is not asked for one.
int NoPassword(char* /*to*/, int /*size*/, int /*writing*/, void* /*argument*/) { return 0; }

Status SetCertificate(SSL_CTX& context, const TlsTexts& texts) {
  auto chain = ReadCertificates(texts.cert);
  if (!chain.ok()) {
    return chain.status();
  }
  std::vector<Certificate>& certificates = chain.value();
  if (SSL_CTX_use_certificate(&context, certificates.front().get()) != 1) {
    return Refuse(texts.cert, "its first certificate cannot be used: " + Reason());
  }
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(&context, certificates[i].get()) != 1) {
      return Refuse(texts.cert, "its chain cannot be used: " + Reason());
    }
  }
  const Key key(PEM_read_bio_PrivateKey(Open(texts.key).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return Refuse(texts.key,
                  "there is no PEM private key in it that can be read without a password: " + Reason());
  }
  if (X509_check_private_key(certificates.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return Refuse(texts.key, "the key does not belong to the certificate of " + texts.cert.name);
  }
  return SSL_CTX_use_PrivateKey(&context, key.get()) == 1
             ? Status()
             : Refuse(texts.key, "the key cannot be used: " + Reason());
}

Status SetClientAuthority(SSL_CTX& context, const TlsTexts::Text& text) {
  auto authorities = ReadCertificates(text);
  if (!authorities.ok()) {
    return authorities.status();
  }
  for (const Certificate& authority : authorities.value()) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(&context, authority.get()) != 1) {
      return Refuse(text, "its certificates cannot be used: " + Reason());
    }
  }
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Sessions of clients with certificates are not resumed, so that a certificate is looked at each time.
  SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
  return {};
}

// HTTP/2, or no connection.
int ChooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_length,
                   const unsigned char* in, unsigned int in_length, void* /*argument*/) {
  static constexpr unsigned char kProtocols[] = "\x02h2";  // NOLINT: a length, then a name, for OpenSSL
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_length, kProtocols, sizeof kProtocols - 1, in, in_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Result<std::shared_ptr<SSL_CTX>> MakeContext(const TlsTexts& texts) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), kCiphers) != 1) {
    return Internal("OpenSSL: " + Reason());
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(context.get(), ChooseProtocol, nullptr);
  if (Status status = SetCertificate(*context, texts); !status.ok()) {
    return status;
  }
  if (!texts.client_ca.pem.empty()) {
    if (Status status = SetClientAuthority(*context, texts.client_ca); !status.ok()) {
      return status;
    }
  }
  return context;
}

}  // namespace

Result<std::unique_ptr<TlsSettings>> TlsSettings::Create(const TlsTexts& texts) {
  std::unique_ptr<TlsSettings> self(new TlsSettings());
  if (Status status = self->Set(texts); !status.ok()) {
    return status;
  }
  return self;
}

Status TlsSettings::Set(const TlsTexts& texts) {
  auto context = MakeContext(texts);
  if (!context.ok()) {
    return context.status();
  }
  const MutexLock lock(mu_);
  context_ = std::move(context).value();
  return {};
}

std::unique_ptr<Stream> TlsSettings::Accept(Descriptor socket) const {
  std::shared_ptr<SSL_CTX> context;
  {
    const MutexLock lock(mu_);
    context = context_;
  }
  return std::make_unique<TlsStream>(*context, std::move(socket));
}

}  // namespace spikeserve::transport
