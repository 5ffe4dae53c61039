#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "server/transport/descriptor.h"

namespace spikeserve::transport {

// What came of reading or writing: bytes, nothing for now, or nothing any more.
struct Moved {
  enum class State { kBytes, kBlocked, kEnd };
  State state = State::kEnd;
  std::size_t bytes = 0;
  bool drained = false;  // reading on would be kBlocked, unless the sender has ended
};

// Two directions of bytes over a non-blocking socket. By one thread.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Moved Read(std::span<std::uint8_t> to) = 0;
  // After kBlocked the same bytes have to come again.
  virtual Moved Write(std::span<const std::uint8_t> from) = 0;
  virtual int descriptor() const = 0;
};

// The bytes of the socket itself.
class PlainStream final : public Stream {
 public:
  explicit PlainStream(Descriptor socket) : socket_(std::move(socket)) {}

  Moved Read(std::span<std::uint8_t> to) override {
    Moved moved = Result(recv(socket_.get(), to.data(), to.size(), 0));
    moved.drained = moved.bytes < to.size();
    return moved;
  }
  Moved Write(std::span<const std::uint8_t> from) override {
    return Result(send(socket_.get(), from.data(), from.size(), MSG_NOSIGNAL));
  }
  int descriptor() const override { return socket_.get(); }

 private:
  static Moved Result(ssize_t moved) {
    if (moved > 0) {
      return {Moved::State::kBytes, static_cast<std::size_t>(moved), false};
    }
    const bool blocked = moved < 0 && (errno == EAGAIN || errno == EINTR);
    return {blocked ? Moved::State::kBlocked : Moved::State::kEnd, 0, false};
  }

  const Descriptor socket_;
};

}  // namespace spikeserve::transport
