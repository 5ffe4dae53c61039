#pragma once

#include <chrono>
#include <string>

#include "server/base/status.h"
#include "server/http/server.h"

namespace spikeserve::app {

using http::TlsTexts;

// When a chain of certificates may be used: from the latest beginning to the first end.
struct CertificateDates {
  std::chrono::system_clock::time_point from;
  std::chrono::system_clock::time_point until;
};

// Whether `texts` make a server: a chain, its key, certificates of clients' authorities. INVALID_ARGUMENT
// names the flag of what cannot be read, or does not fit. Dates do not matter here: a server with an expired
// certificate still serves clients that do not look.
Result<CertificateDates> CheckCertificate(const TlsTexts& texts);

// "2026-11-29T10:00:00Z"
std::string DateText(std::chrono::system_clock::time_point time);

// What is to be said of these dates at `now`; empty where nothing is.
std::string DateWarning(const CertificateDates& dates, std::chrono::system_clock::time_point now);

}  // namespace spikeserve::app
