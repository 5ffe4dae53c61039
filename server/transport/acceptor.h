#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/transport/admission.h"
#include "server/transport/descriptor.h"
#include "server/transport/wake.h"

namespace spikeserve::transport {

// Takes connections, on a thread of its own, for as long as it lives: nothing that goes wrong ends it, and a
// process without a descriptor left still turns connections away instead of leaving them waiting. gRPC's own
// listener gives up for good then.
class Acceptor {
 public:
  // A socket that was let in (non-blocking, closed on exec), and its peer, for Leave of `admission`.
  using Taker = std::function<void(Descriptor socket, std::string peer)>;

  // `listeners` are non-blocking and outlive the acceptor, as `admission` and `clock` do.
  Acceptor(std::vector<int> listeners, Admission& admission, const Clock& clock, Taker taker);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

 private:
  // What a socket that listens needs next.
  enum class Next { kEvent, kPause, kNothing };

  void Run();
  // kPause where no descriptor or memory is left, kNothing where the socket was shut down.
  Next AcceptSome(int listener);
  void Admit(Descriptor socket, const std::string& peer);
  // Takes one connection by the descriptor that is kept for it, and closes it.
  void TurnOneAway(int listener);

  const std::vector<int> listeners_;
  Admission& admission_;
  const Clock& clock_;
  const Taker taker_;
  Descriptor spare_;
  Wake stop_;
  std::thread thread_;  // last: uses what is above
};

}  // namespace spikeserve::transport
