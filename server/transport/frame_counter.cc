#include "server/transport/frame_counter.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace spikeserve::transport {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::uint32_t kMaxBlockBytes = 64 << 10;
// What calls may have (server/rpc/access) is compressed to less than this.
constexpr std::uint32_t kUsualBlockBytes = 8 << 10;
constexpr int kMaxContinuations = 8;
// Clients that do not wait for the server's settings assume that 100 calls are allowed.
constexpr int kMaxEarlyCalls = 100;
constexpr std::chrono::milliseconds kInstant{2};
// Longer, and the healthy calls on this connection would miss their deadlines.
constexpr std::chrono::seconds kLongestPause{5};
// Calls that were answered excuse as many instant resets: bytes that had to wait, for this server or for the
// network, are read together, and then a call seems to be reset at once whose client has waited for it until
// its deadline. Who has paid for the one with the other gains nothing.
constexpr int kMostExcused = 4'000;
// A client may send a PING and a WINDOW_UPDATE, or two, for each frame of data or headers.
constexpr double kCredit = 2;

}  // namespace

const char* RuleName(Rule rule) {
  switch (rule) {
    case Rule::kNone: return "none";
    case Rule::kInstantResets: return "instant_resets";
    case Rule::kResets: return "resets";
    case Rule::kHeaderBlock: return "header_block";
    case Rule::kLargeHeaders: return "large_headers";
    case Rule::kUnacknowledged: return "unacknowledged_settings";
    case Rule::kPings: return "pings";
    case Rule::kControl: return "control_frames";
    case Rule::kWindowUpdates: return "window_updates";
    case Rule::kPreface: return "preface";
  }
  return "";
}

Verdict FrameCounter::Feed(std::span<const std::uint8_t> bytes, Clock::TimePoint now) {
  if (!TakePreface(bytes)) {
    return {Rule::kPreface, true, {}, {}};
  }
  Rule broken = Rule::kNone;
  toll_ = {};
  frames_.Walk(bytes, [&](const FrameHead& head) {
    broken = Count(head, now);
    return broken == Rule::kNone;
  });
  if (broken != Rule::kNone) {
    return {broken, true, {}, toll_};
  }
  return Judge(now);
}

Verdict FrameCounter::Judge(Clock::TimePoint now) {
  Verdict verdict{Rule::kNone, false, {}, toll_};
  for (auto [rule, bucket] :
       {std::pair(Rule::kInstantResets, &instant_resets_), std::pair(Rule::kResets, &all_resets_),
        std::pair(Rule::kLargeHeaders, &header_bytes_)}) {
    const std::chrono::nanoseconds debt =
        std::min<std::chrono::nanoseconds>(bucket->Debt(now), kLongestPause);
    if (debt > verdict.pause) {
      verdict.rule = rule;
      verdict.pause = debt;
    }
  }
  return verdict;
}

void FrameCounter::FeedAnswer(std::span<const std::uint8_t> bytes) {
  answers_.Walk(bytes, [this](const FrameHead& head) {
    const bool may_end = head.type == frame::kData || head.type == frame::kHeaders;
    const bool answered = may_end && (head.flags & frame::kEndStream) != 0;
    if (answered || head.type == frame::kReset) {
      // A client may reset what the server has ended: that is no sign of haste.
      std::replace(streams_.begin(), streams_.end(), head.stream, std::uint32_t{0});
    }
    excused_ = answered ? std::min(excused_ + 1, kMostExcused) : excused_;
    if (head.type == frame::kData) {
      pings_.Give(kCredit);
      window_updates_.Give(kCredit);
    } else if ((head.type == frame::kPing || head.type == frame::kSettings) &&
               (head.flags & frame::kAck) == 0) {
      acknowledgements_.Give(1);
    }
    return true;
  });
}

bool FrameCounter::TakePreface(std::span<const std::uint8_t>& bytes) {
  while (preface_ < kPreface.size() && !bytes.empty()) {
    if (bytes.front() != static_cast<std::uint8_t>(kPreface[preface_])) {
      return false;
    }
    ++preface_;
    bytes = bytes.subspan(1);
  }
  return true;
}

Rule FrameCounter::Count(const FrameHead& head, Clock::TimePoint now) {
  switch (head.type) {
    case frame::kData:
      pings_.Give(kCredit);
      if (head.length > 0 || (head.flags & frame::kEndStream) != 0) {
        return Rule::kNone;
      }
      break;
    case frame::kHeaders: return CountHeaders(head, now);
    case frame::kContinuation: ++block_frames_; return CountBlock(head, now);
    case frame::kReset: CountReset(head, now); return Rule::kNone;
    case frame::kSettings: return CountSettings(head, now);
    case frame::kPing: return CountPing(head, now);
    case frame::kWindowUpdate: return window_updates_.Take(1, now) ? Rule::kNone : Rule::kWindowUpdates;
    default: break;
  }
  return control_.Take(1, now) ? Rule::kNone : Rule::kControl;
}

Rule FrameCounter::CountHeaders(const FrameHead& head, Clock::TimePoint now) {
  pings_.Give(kCredit);
  streams_.at(next_stream_) = head.stream;
  opened_.at(next_stream_) = now;
  next_stream_ = (next_stream_ + 1) % kRememberedStreams;
  if (!acknowledged_ && ++early_calls_ > kMaxEarlyCalls) {
    return Rule::kUnacknowledged;
  }
  block_bytes_ = 0;
  block_frames_ = 0;
  return CountBlock(head, now);
}

Rule FrameCounter::CountBlock(const FrameHead& head, Clock::TimePoint now) {
  const std::uint32_t before = std::max(block_bytes_, kUsualBlockBytes);
  block_bytes_ += head.length;  // 16 MB a frame at most, and closed above 64 KB: it cannot overflow
  if (block_bytes_ > kMaxBlockBytes || block_frames_ > kMaxContinuations) {
    return Rule::kHeaderBlock;
  }
  if (block_bytes_ > before) {
    toll_.header_bytes += block_bytes_ - before;
    static_cast<void>(header_bytes_.Take(block_bytes_ - before, now));
  }
  return Rule::kNone;
}

void FrameCounter::CountReset(const FrameHead& head, Clock::TimePoint now) {
  ++toll_.resets;
  static_cast<void>(all_resets_.Take(1, now));
  if (!InstantReset(head.stream, now)) {
    return;
  }
  if (excused_ > 0) {
    --excused_;
  } else {
    ++toll_.instant_resets;
    static_cast<void>(instant_resets_.Take(1, now));
  }
}

bool FrameCounter::InstantReset(std::uint32_t stream, Clock::TimePoint now) const {
  const auto* const found = std::find(streams_.begin(), streams_.end(), stream);
  return found != streams_.end() &&
         now - opened_.at(static_cast<std::size_t>(found - streams_.begin())) < kInstant;
}

Rule FrameCounter::CountPing(const FrameHead& head, Clock::TimePoint now) {
  if ((head.flags & frame::kAck) != 0) {
    return acknowledgements_.Take(1, now) ? Rule::kNone : Rule::kControl;
  }
  return pings_.Take(1, now) ? Rule::kNone : Rule::kPings;
}

Rule FrameCounter::CountSettings(const FrameHead& head, Clock::TimePoint now) {
  if ((head.flags & frame::kAck) == 0) {
    return control_.Take(1, now) ? Rule::kNone : Rule::kControl;
  }
  acknowledged_ = true;
  return acknowledgements_.Take(1, now) ? Rule::kNone : Rule::kControl;
}

}  // namespace spikeserve::transport
