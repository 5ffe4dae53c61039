#include "server/rpc/context/stream_table.h"

namespace spikeserve::rpc {

Status StreamTable::Add(Stream& stream) {
  const MutexLock lock(mu_);
  if (draining_) {
    return Unavailable("the server is shutting down");
  }
  streams_.insert(&stream);
  return {};
}

void StreamTable::Remove(Stream& stream) {
  const MutexLock lock(mu_);
  streams_.erase(&stream);
}

void StreamTable::Drain() {
  const MutexLock lock(mu_);  // keeps the streams: none goes before its Remove
  draining_ = true;
  for (Stream* stream : streams_) {
    stream->Drain();
  }
}

}  // namespace spikeserve::rpc
