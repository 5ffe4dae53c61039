// Certificates: what is wrong with a text is named, and new ones hold for new connections.

#include "server/transport/tls_settings.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <string>
#include <thread>

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;
using transport::Descriptor;
using transport::Moved;
using transport::TlsSettings;
using transport::TlsTexts;

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

// A certificate that signed itself, and its key.
TlsTexts MakeTexts(const std::string& name) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3'600);
  X509_set_pubkey(cert, key);
  X509_NAME* const subject = X509_get_subject_name(cert);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(cert, subject);
  X509_sign(cert, key, EVP_sha256());
  BIO* const cert_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(cert_text, cert);
  BIO* const key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(cert);
  EVP_PKEY_free(key);
  return {{Text(cert_text), "cert"}, {Text(key_text), "key"}, {}};
}

// A client that connects, says "hello", and looks who answered.
class Client {
 public:
  Client(Descriptor socket, bool names_protocol, int new_keys)
      : socket_(std::move(socket)),
        thread_([this, names_protocol, new_keys] { Run(names_protocol, new_keys); }) {}
  // The name in the server's certificate; empty where there was no handshake.
  std::string Join() {
    thread_.join();
    return server_;
  }

 private:
  void Run(bool names_protocol, int new_keys) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL* const ssl = SSL_new(context);
    SSL_set_fd(ssl, socket_.get());
    if (names_protocol) {
      const std::string protocols = "\x02h2";
      SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(protocols.data()), 3);
    }
    if (SSL_connect(ssl) == 1) {
      X509* const cert = SSL_get1_peer_certificate(ssl);
      std::array<char, 100> name{};
      X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name.data(), name.size());
      X509_free(cert);
      server_ = name.data();
      for (int i = 0; i < new_keys; ++i) {  // each a message of TLS itself
        SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(ssl);
      }
      SSL_write(ssl, "hello", 5);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    socket_.Close();
  }

  Descriptor socket_;
  std::string server_;
  std::thread thread_;
};

struct Met {
  std::string server;  // as the client sees it
  std::string heard;   // by the server
};

Met Meet(const TlsSettings& settings, bool names_protocol = true, int new_keys = 0) {
  std::signal(SIGPIPE, SIG_IGN);  // as in the server
  std::array<int, 2> pair{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  const auto stream = settings.Accept(Descriptor(pair[0]));
  Client client(Descriptor(pair[1]), names_protocol, new_keys);
  Met met;
  std::array<std::uint8_t, 100> buffer{};
  while (true) {
    const Moved moved = stream->Read(buffer);
    if (moved.state == Moved::State::kEnd) {
      break;
    }
    met.heard.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(moved.bytes));
    std::this_thread::yield();
  }
  shutdown(pair[0], SHUT_RDWR);
  met.server = client.Join();
  return met;
}

TEST(TlsSettings, NewTextsHoldForNewConnections) {
  const auto settings = TlsSettings::Create(MakeTexts("old"));
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  EXPECT_EQ(Meet(*settings.value()).server, "old");
  ASSERT_TRUE(settings.value()->Set(MakeTexts("new")).ok());
  const Met met = Meet(*settings.value());
  EXPECT_EQ(met.server, "new");
  EXPECT_EQ(met.heard, "hello");
}

TEST(TlsSettings, AClientMayHaveNewKeysButNotWithoutEnd) {
  const auto settings = TlsSettings::Create(MakeTexts("some"));
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(Meet(*settings.value(), true, 20).heard, "hello");
  EXPECT_EQ(Meet(*settings.value(), true, 5'000).heard, "");
}

TEST(TlsSettings, WrongTextsChangeNothing) {
  const auto settings = TlsSettings::Create(MakeTexts("old"));
  ASSERT_TRUE(settings.ok());
  TlsTexts wrong = MakeTexts("new");
  wrong.key.pem = MakeTexts("other").key.pem;
  EXPECT_EQ(settings.value()->Set(wrong).message(),
            "key: the key does not belong to the certificate of cert");
  EXPECT_EQ(Meet(*settings.value()).server, "old");
}

TEST(TlsSettings, AClientThatDoesNotNameHttp2IsNotHeard) {
  const auto settings = TlsSettings::Create(MakeTexts("server"));
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(Meet(*settings.value(), false).heard, "");
}

TEST(TlsSettings, AClientWithoutACertificateIsNotHeardWhereOneIsWanted) {
  TlsTexts texts = MakeTexts("server");
  texts.client_ca = {MakeTexts("authority").cert.pem, "authority"};
  const auto settings = TlsSettings::Create(texts);
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  EXPECT_EQ(Meet(*settings.value()).heard, "");
}

TEST(TlsSettings, SaysWhatIsWrongWithAText) {
  const auto message = [](auto change) {
    TlsTexts texts = MakeTexts("server");
    change(texts);
    return TlsSettings::Create(texts).status().message();
  };
  EXPECT_THAT(message([](TlsTexts& texts) { texts.cert.pem = "text"; }),
              HasSubstr("cert: there is no PEM certificate"));
  EXPECT_THAT(message([](TlsTexts& texts) { texts.cert.pem += "-----BEGIN CERTIFICATE-----\nx\n"; }),
              HasSubstr("cert: certificate 2 of it is damaged"));
  EXPECT_THAT(message([](TlsTexts& texts) { texts.key.pem = texts.cert.pem; }),
              HasSubstr("key: there is no PEM private key"));
  EXPECT_THAT(message([](TlsTexts& texts) {
                texts.client_ca = {"text", "authority"};
              }),
              HasSubstr("authority: there is no PEM certificate"));
}

}  // namespace
}  // namespace spikeserve::testing
