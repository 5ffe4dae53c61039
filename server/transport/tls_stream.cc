#include "server/transport/tls_stream.h"

#include <openssl/err.h>

#include <algorithm>
#include <climits>
#include <utility>

namespace spikeserve::transport {
namespace {

// Messages of TLS itself between two bytes, such as new keys: a client that sends nothing else would keep a
// read busy for as long as it likes. A handshake has fewer.
constexpr int kMaxMessages = 32;

int Size(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

}  // namespace

TlsStream::TlsStream(SSL_CTX& context, Descriptor socket)
    : socket_(std::move(socket)), ssl_(SSL_new(&context), SSL_free) {
  if (ssl_ == nullptr || SSL_set_fd(ssl_.get(), socket_.get()) != 1) {
    failed_ = true;
    return;
  }
  SSL_clear_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);
  SSL_set_msg_callback(ssl_.get(), CountMessage);
  SSL_set_msg_callback_arg(ssl_.get(), this);
  SSL_set_accept_state(ssl_.get());
}

TlsStream::~TlsStream() {
  if (!failed_ && SSL_is_init_finished(ssl_.get()) != 0) {
    ERR_clear_error();
    static_cast<void>(SSL_shutdown(ssl_.get()));  // says goodbye, and does not wait for the answer
  }
}

Moved TlsStream::Read(std::span<std::uint8_t> to) {
  if (failed_) {
    return {};
  }
  Moved moved;
  int before = 0;
  do {  // a message of TLS itself ends a read, though there may be more behind it
    before = messages_;
    ERR_clear_error();
    moved = Result(SSL_read(ssl_.get(), to.data(), Size(to.size())));
    failed_ = failed_ || messages_ > kMaxMessages;
  } while (moved.state == Moved::State::kBlocked && messages_ != before && !failed_);
  if (failed_) {
    return {};
  }
  if (moved.state != Moved::State::kBytes) {
    return moved;
  }
  messages_ = 0;
  const unsigned char* protocol = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &length);
  return length > 0 ? moved : Moved();  // a client that names no protocol means another one
}

void TlsStream::CountMessage(int written, int /*version*/, int type, const void* /*bytes*/,
                             std::size_t /*size*/, SSL* /*ssl*/, void* stream) {
  if (written == 0 && type == SSL3_RT_HANDSHAKE) {
    ++static_cast<TlsStream*>(stream)->messages_;
  }
}

Moved TlsStream::Write(std::span<const std::uint8_t> from) {
  if (failed_) {
    return {};
  }
  ERR_clear_error();
  return Result(SSL_write(ssl_.get(), from.data(), Size(from.size())));
}

Moved TlsStream::Result(int moved) {
  if (moved > 0) {
    return {Moved::State::kBytes, static_cast<std::size_t>(moved), false};
  }
  const int error = SSL_get_error(ssl_.get(), moved);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    return {Moved::State::kBlocked, 0, false};
  }
  failed_ = error != SSL_ERROR_ZERO_RETURN;
  return {};
}

}  // namespace spikeserve::transport
