#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace spikeserve::app {

// The connections that came in at an address of this process, found among its descriptors: gRPC has no way to
// end one but to shut the whole server down, which answers calls that come at that moment with CANCELLED.
// One thread at a time.
class ClientConnections {
 public:
  // HOST:PORT or unix:PATH, as it is listened on.
  explicit ClientConnections(std::string address) : address_(std::move(address)) {}

  // How many there are now.
  std::size_t Count() const;
  // Takes no new ones, lets every client read what was written to it and then see the end, and returns once
  // all have closed their side, or at the deadline. What a client sends meanwhile is read and not answered.
  void Close(std::chrono::steady_clock::time_point deadline) const;

 private:
  const std::string address_;
};

}  // namespace spikeserve::app
