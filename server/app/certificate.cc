#include "server/app/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <vector>

namespace spikeserve::app {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio Open(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

// What OpenSSL has to say, and an empty queue of errors for whoever comes next.
std::string Reason() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  ERR_error_string_n(code, text.data(), text.size());
  return code == 0 ? "" : std::string(" (") + text.data() + ")";
}

// Nobody is there to type a pass phrase.
int NoPassPhrase(char* /*text*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

Result<std::vector<Certificate>> ReadCertificates(const std::string& text, const std::string& flag) {
  std::vector<Certificate> certificates;
  const Bio bio = Open(text);
  while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, NoPassPhrase, nullptr)) {
    certificates.emplace_back(read, X509_free);
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (ended && !certificates.empty()) {
    ERR_clear_error();
    return certificates;
  }
  return InvalidArgument(flag + ": certificate " + std::to_string(certificates.size() + 1) +
                         (ended ? ": got none, wanted one in PEM" : " cannot be read" + Reason()));
}

std::chrono::system_clock::time_point TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

CertificateDates DatesOf(const std::vector<Certificate>& chain) {
  CertificateDates dates{TimeOf(X509_get0_notBefore(chain.front().get())),
                         TimeOf(X509_get0_notAfter(chain.front().get()))};
  for (const Certificate& certificate : chain) {
    dates.from = std::max(dates.from, TimeOf(X509_get0_notBefore(certificate.get())));
    dates.until = std::min(dates.until, TimeOf(X509_get0_notAfter(certificate.get())));
  }
  return dates;
}

}  // namespace

Result<CertificateDates> CheckCertificate(const TlsTexts& texts) {
  ERR_clear_error();
  const auto chain = ReadCertificates(texts.cert, "--tls-cert");
  if (!chain.ok()) {
    return chain.status();
  }
  const Bio bio = Open(texts.key);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassPhrase, nullptr), EVP_PKEY_free);
  if (!key) {
    return InvalidArgument("--tls-key: the private key cannot be read, wanted PEM without a pass phrase" +
                           Reason());
  }
  if (X509_check_private_key(chain.value().front().get(), key.get()) != 1) {
    ERR_clear_error();
    return InvalidArgument("--tls-key: is not the key of the first certificate of --tls-cert");
  }
  if (!texts.client_ca.empty()) {
    if (const auto authorities = ReadCertificates(texts.client_ca, "--tls-client-ca"); !authorities.ok()) {
      return authorities.status();
    }
  }
  return DatesOf(chain.value());
}

std::string DateText(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::string DateWarning(const CertificateDates& dates, std::chrono::system_clock::time_point now) {
  if (now >= dates.until) {
    return "--tls-cert: has expired at " + DateText(dates.until) + ": clients that check it will not connect";
  }
  if (now < dates.from) {
    return "--tls-cert: is not valid before " + DateText(dates.from) +
           ": clients that check it will not connect";
  }
  return {};
}

}  // namespace spikeserve::app
