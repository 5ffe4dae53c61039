#pragma once

#include <cstdint>
#include <string>

#include "server/base/status.h"

namespace spikeserve::transport {

// Where a server listens: a port of a host, or a unix socket.
struct ListenAddress {
  std::string path;        // of the unix socket; empty: TCP
  std::string host;        // a name or an address, without brackets; empty: every address of the machine
  std::uint16_t port = 0;  // 0: the system picks one
  bool loopback() const;   // only processes of this machine reach it: 127.*, ::1, localhost, a unix socket
  bool is_unix() const { return !path.empty(); }
};

// Reads HOST:PORT, [IPV6]:PORT, unix:PATH or unix:///PATH. INVALID_ARGUMENT says what was wanted.
Result<ListenAddress> ParseListenAddress(const std::string& text);

}  // namespace spikeserve::transport
