#pragma once

#include <chrono>
#include <string>

namespace spikeserve::app {

// When a chain of certificates may be used: from the latest beginning to the first end.
struct CertificateDates {
  std::chrono::system_clock::time_point from;
  std::chrono::system_clock::time_point until;
};

// Of a chain in PEM that makes a server. A server with an expired certificate still serves clients that do
// not look.
CertificateDates ReadDates(const std::string& chain);

// "2026-11-29T10:00:00Z"
std::string DateText(std::chrono::system_clock::time_point time);

// What is to be said of these dates at `now`; empty where nothing is.
std::string DateWarning(const CertificateDates& dates, std::chrono::system_clock::time_point now);

}  // namespace spikeserve::app
