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

namespace spikeserve::app {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

std::chrono::system_clock::time_point TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

}  // namespace

CertificateDates ReadDates(const std::string& chain) {
  CertificateDates dates{std::chrono::system_clock::time_point::min(),
                         std::chrono::system_clock::time_point::max()};
  const Bio bio(BIO_new_mem_buf(chain.data(), static_cast<int>(chain.size())), BIO_free);
  while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const Certificate certificate(read, X509_free);
    dates.from = std::max(dates.from, TimeOf(X509_get0_notBefore(certificate.get())));
    dates.until = std::min(dates.until, TimeOf(X509_get0_notAfter(certificate.get())));
  }
  ERR_clear_error();  // that there is no further one
  return dates;
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
