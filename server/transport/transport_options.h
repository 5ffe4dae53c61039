#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace spikeserve::transport {

struct AdmissionOptions {
  int max_connections = 1'024;
  int max_per_address = 128;
  // New connections of one address; 0: any number, and nobody is jailed.
  double connections_per_second = 0;
};

// PEM texts for TLS, each with what an error calls it, such as a flag and the path of its file.
struct TlsTexts {
  struct Text {
    std::string pem;
    std::string name;
  };
  Text cert;  // chain
  Text key;
  Text client_ca;  // with a text: clients must present a certificate of it
};

// A connection that was closed by a rule, and for how long its address may not come back.
struct Offence {
  std::string peer;
  std::string rule;
  std::chrono::seconds jailed{0};
};

struct TransportOptions {
  std::string address = "0.0.0.0:8001";  // HOST:PORT, or unix:PATH
  AdmissionOptions admission;
  bool guarded = false;         // frames are counted against the rules of FrameCounter
  std::optional<TlsTexts> tls;  // none: plain text
  std::function<void(const Offence&)> on_offence;
};

// What happened so far, by reason.
struct TransportCounts {
  using ByReason = std::vector<std::pair<std::string, std::int64_t>>;
  std::int64_t connections = 0;  // now
  ByReason refused;
  ByReason pauses;
  ByReason closes;
};

}  // namespace spikeserve::transport
