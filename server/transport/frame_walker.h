#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace spikeserve::transport {

// The head of an HTTP/2 frame (RFC 9113, 4.1).
struct FrameHead {
  std::uint32_t length = 0;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
};

namespace frame {
inline constexpr std::uint8_t kData = 0;
inline constexpr std::uint8_t kHeaders = 1;
inline constexpr std::uint8_t kReset = 3;
inline constexpr std::uint8_t kSettings = 4;
inline constexpr std::uint8_t kPing = 6;
inline constexpr std::uint8_t kWindowUpdate = 8;
inline constexpr std::uint8_t kContinuation = 9;
inline constexpr std::uint8_t kAck = 0x1;        // of SETTINGS and PING
inline constexpr std::uint8_t kEndStream = 0x1;  // of DATA and HEADERS
inline constexpr std::uint8_t kEndHeaders = 0x4;
}  // namespace frame

// Finds the frames of one direction of a connection in its bytes, wherever those are cut. By one thread.
class FrameWalker {
 public:
  // Calls `visit` with the head of each frame, once all of it is there, until it returns false.
  template <typename Visit>
  void Walk(std::span<const std::uint8_t> bytes, Visit visit) {
    while (!bytes.empty()) {
      if (payload_left_ > 0) {
        const std::size_t skipped = std::min<std::size_t>(payload_left_, bytes.size());
        payload_left_ -= static_cast<std::uint32_t>(skipped);
        bytes = bytes.subspan(skipped);
        continue;
      }
      head_.at(have_++) = bytes.front();
      bytes = bytes.subspan(1);
      if (have_ < head_.size()) {
        continue;
      }
      have_ = 0;
      const FrameHead head = Read();
      payload_left_ = head.length;
      if (!visit(head)) {
        return;
      }
    }
  }

 private:
  FrameHead Read() const {
    const auto byte = [this](std::size_t at) { return std::uint32_t{head_.at(at)}; };
    return {byte(0) << 16 | byte(1) << 8 | byte(2), head_[3], head_[4],
            (byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)) & 0x7fffffffU};
  }

  std::array<std::uint8_t, 9> head_{};
  std::size_t have_ = 0;
  std::uint32_t payload_left_ = 0;
};

}  // namespace spikeserve::transport
