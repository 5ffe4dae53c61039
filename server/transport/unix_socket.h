#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/transport/descriptor.h"

namespace spikeserve::transport {

// A unix socket that this process alone listens on: a lock is held on PATH.lock as long as it lives, and both
// files go with it. By one thread.
class UnixSocket {
 public:
  // Takes the place of a socket that was left behind. UNAVAILABLE where another server has it, where
  // something that is no socket lies there, or the system refuses.
  static Result<std::unique_ptr<UnixSocket>> Listen(const std::string& path);
  ~UnixSocket();
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;

  int descriptor() const { return socket_.get(); }

 private:
  explicit UnixSocket(std::string path) : path_(std::move(path)), lock_path_(path_ + ".lock") {}

  Status Lock();
  Status MakeRoom() const;
  Status Bind();

  const std::string path_;
  const std::string lock_path_;
  Descriptor lock_;
  Descriptor socket_;
  ino_t inode_ = 0;  // of the socket's file, once it is there
};

}  // namespace spikeserve::transport
