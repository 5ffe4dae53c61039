#include "server/http/tls_context.h"

#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <string>

namespace spikeserve::http {
namespace {

namespace ssl = boost::asio::ssl;

Status Refuse(const std::string& flag, const boost::system::error_code& error) {
  return InvalidArgument(flag + ": does not fit HTTP's TLS: " + error.message());
}

// The one protocol that is spoken here, for clients that ask which.
int ChooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_length,
                   const unsigned char* in, unsigned int in_length, void* /*argument*/) {
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";  // NOLINT: a length, then a name, for OpenSSL
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_length, kProtocols, sizeof kProtocols - 1, in, in_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

Result<std::shared_ptr<ssl::context>> MakeTlsContext(const TlsTexts& texts) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                       ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  context->use_certificate_chain(boost::asio::buffer(texts.cert), error);
  if (error) {
    return Refuse("--tls-cert", error);
  }
  context->use_private_key(boost::asio::buffer(texts.key), ssl::context::pem, error);
  if (error) {
    return Refuse("--tls-key", error);
  }
  SSL_CTX_set_alpn_select_cb(context->native_handle(), ChooseProtocol, nullptr);
  if (texts.client_ca.empty()) {
    return context;
  }
  context->add_certificate_authority(boost::asio::buffer(texts.client_ca), error);
  if (error) {
    return Refuse("--tls-client-ca", error);
  }
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  // Sessions of clients with certificates are not resumed, so that a certificate is looked at each time.
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_TICKET);
  return context;
}

}  // namespace spikeserve::http
