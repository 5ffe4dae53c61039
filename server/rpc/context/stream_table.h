#pragma once

#include <set>

#include "server/base/mutex.h"
#include "server/base/status.h"

namespace spikeserve::rpc {

// The open streams that would stay open for ever, so that a server that shuts down can end them. Thread-safe;
// outlives its streams.
class StreamTable {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // Takes nothing new, and ends once what is under way is answered. Not by the thread that removes it.
    virtual void Drain() = 0;
  };

  // UNAVAILABLE from Drain on. Remove must follow in either case.
  Status Add(Stream& stream);
  void Remove(Stream& stream);
  void Drain();

 private:
  Mutex mu_;
  bool draining_ SPIKESERVE_GUARDED_BY(mu_) = false;
  std::set<Stream*> streams_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::rpc
