#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "server/base/clock.h"
#include "server/transport/frame_walker.h"
#include "server/transport/token_bucket.h"

namespace spikeserve::transport {

// What a client must not do too often.
enum class Rule {
  kNone,
  kInstantResets,   // a stream reset as soon as it was opened
  kResets,          // any stream reset
  kHeaderBlock,     // one call's headers, in bytes or in CONTINUATION frames
  kLargeHeaders,    // headers of calls that are refused for their size, in bytes
  kUnacknowledged,  // calls, before the server's settings are acknowledged
  kPings,           // without data or calls that would explain them
  kControl,  // SETTINGS, PRIORITY, frames of unknown type, DATA without any, acknowledgements of nothing
  kWindowUpdates,
  kPreface,  // it speaks something else than HTTP/2
};
inline constexpr std::size_t kRules = 10;
const char* RuleName(Rule rule);

// What costs the server much more than its client, in some bytes of a connection.
struct Toll {
  int resets = 0;
  int instant_resets = 0;  // those of streams that had been opened less than 2 ms before, unless excused
  std::int64_t header_bytes = 0;  // of single calls, as far as they are more than any call may have

  bool empty() const { return resets == 0 && header_bytes == 0; }
};

// What to do with a connection after its latest bytes: go on, close it, or read on after a pause, by which it
// becomes slower and no call on it fails.
struct Verdict {
  Rule rule = Rule::kNone;
  bool close = false;
  std::chrono::nanoseconds pause{0};
  Toll toll;  // of these bytes
};

// Counts the frames of one connection against the rules: gRPC 1.51 has no limit on any of them, and each
// costs it up to a hundred microseconds. Knows no socket. By one thread.
class FrameCounter {
 public:
  FrameCounter() = default;

  // Bytes of the client, from its first on, that came at `now`.
  Verdict Feed(std::span<const std::uint8_t> bytes, Clock::TimePoint now);
  // Bytes of the server, from its first on: a client answers DATA with PING and WINDOW_UPDATE frames.
  void FeedAnswer(std::span<const std::uint8_t> bytes);

  // Whether the client has said that it speaks HTTP/2.
  bool greeted() const { return preface_ == kPrefaceBytes; }

 private:
  static constexpr std::size_t kPrefaceBytes = 24;
  static constexpr std::size_t kRememberedStreams = 256;

  // The pause that the toll asks for, and the rule that asks for the longest.
  Verdict Judge(Clock::TimePoint now);
  // False where the bytes are no preface.
  bool TakePreface(std::span<const std::uint8_t>& bytes);
  // The rule that the frame breaks beyond repair, if it does.
  Rule Count(const FrameHead& head, Clock::TimePoint now);
  Rule CountHeaders(const FrameHead& head, Clock::TimePoint now);
  Rule CountBlock(const FrameHead& head, Clock::TimePoint now);
  void CountReset(const FrameHead& head, Clock::TimePoint now);
  Rule CountPing(const FrameHead& head, Clock::TimePoint now);
  Rule CountSettings(const FrameHead& head, Clock::TimePoint now);
  bool InstantReset(std::uint32_t stream, Clock::TimePoint now) const;

  std::size_t preface_ = 0;
  FrameWalker frames_;
  FrameWalker answers_;

  std::array<std::uint32_t, kRememberedStreams> streams_{};
  std::array<Clock::TimePoint, kRememberedStreams> opened_{};
  std::size_t next_stream_ = 0;
  std::uint32_t block_bytes_ = 0;
  int block_frames_ = 0;
  bool acknowledged_ = false;
  int excused_ = 0;  // instant resets that are not counted as such
  int early_calls_ = 0;
  Toll toll_;  // of the bytes that are being counted

  TokenBucket instant_resets_{20, 100};
  TokenBucket all_resets_{2'000, 4'000};
  TokenBucket header_bytes_{256 << 10, 512 << 10};
  TokenBucket pings_{50, 500};
  TokenBucket acknowledgements_{50, 200};
  TokenBucket control_{50, 200};
  TokenBucket window_updates_{20'000, 20'000};
};

}  // namespace spikeserve::transport
