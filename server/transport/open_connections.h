#pragma once

#include <functional>
#include <string>
#include <thread>
#include <unordered_map>

#include "server/base/mutex.h"
#include "server/transport/admission.h"
#include "server/transport/descriptor.h"
#include "server/transport/wake.h"

namespace spikeserve::transport {

// Passes sockets on to who serves them, and notices their end, by a second descriptor of each, so that their
// places become free. Thread-safe.
class OpenConnections {
 public:
  // `serve` becomes the owner of the descriptor. `admission` outlives this.
  OpenConnections(Admission& admission, std::function<void(int descriptor)> serve);
  ~OpenConnections();
  OpenConnections(const OpenConnections&) = delete;
  OpenConnections& operator=(const OpenConnections&) = delete;

  // Of a connection that Admission let in.
  void Add(Descriptor socket, std::string peer);

 private:
  struct Connection {
    Descriptor second;
    std::string peer;
  };

  bool Watch(int second, std::string peer);
  void Run();
  void Close(int second);

  Admission& admission_;
  const std::function<void(int)> serve_;
  Descriptor epoll_;
  Mutex mu_;
  std::unordered_map<int, Connection> connections_ SPIKESERVE_GUARDED_BY(mu_);
  Wake stop_;
  std::thread thread_;  // last: uses what is above
};

}  // namespace spikeserve::transport
