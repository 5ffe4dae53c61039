#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/transport/descriptor.h"
#include "server/transport/listen_address.h"
#include "server/transport/unix_socket.h"

namespace spikeserve::transport {

// The sockets that one address stands for: one for each address of a name, one for IPv4 and IPv6 together
// where it is every address of the machine, or a unix socket. By one thread.
class ListeningSockets {
 public:
  // UNAVAILABLE says why the system refuses: in use, not of this machine, not allowed, a name nobody knows.
  static Result<ListeningSockets> Listen(const ListenAddress& address);

  std::vector<int> descriptors() const;
  // The port in use; 0 for a unix socket.
  int port() const { return port_; }

 private:
  Status ListenOnHost(const std::string& host, bool every);

  std::vector<Descriptor> sockets_;
  std::unique_ptr<UnixSocket> unix_;
  int port_ = 0;
};

}  // namespace spikeserve::transport
