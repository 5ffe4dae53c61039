#include "server/transport/relayed_connection.h"

#include <sys/socket.h>

#include <algorithm>

namespace spikeserve::transport {
namespace {

constexpr std::size_t kTurnBytes = 256 << 10;
// What is judged at a time: few resets fit into it, and no large headers.
constexpr std::size_t kSlice = 4 << 10;
// What is read at a time of a connection that was paused a short time ago.
constexpr std::size_t kSmallPiece = 16 << 10;
constexpr std::chrono::seconds kWatched{10};
constexpr std::chrono::nanoseconds kLongestPause = std::chrono::seconds(5);

}  // namespace

RelayedConnection::RelayedConnection(std::unique_ptr<Stream> outer, std::string peer, bool guarded)
    : outer_(std::move(outer)), peer_(std::move(peer)) {
  if (guarded) {
    counter_.emplace();
  }
}

void RelayedConnection::OuterReady(bool ending) {
  outer_readable_ = true;
  outer_ending_ = outer_ending_ || ending;
}

void RelayedConnection::InnerReady(bool ending) {
  inner_readable_ = true;
  inner_ending_ = inner_ending_ || ending;
}

RelayedConnection::Next RelayedConnection::Pump(Owner& owner, std::span<std::uint8_t> buffer,
                                                Clock::TimePoint now) {
  const Next in = PumpIn(owner, buffer, now);
  if (in == Next::kClose || !connected()) {
    return in;
  }
  return std::max(in, PumpOut(buffer));
}

RelayedConnection::Next RelayedConnection::PumpIn(Owner& owner, std::span<std::uint8_t> buffer,
                                                  Clock::TimePoint now) {
  const bool watched = paused_until_ != Clock::TimePoint() && now < paused_until_ + kWatched;
  const auto piece = buffer.first(watched ? kSmallPiece : buffer.size());
  for (std::size_t moved = 0; moved < kTurnBytes;) {
    if (connected()) {
      if (const Next next = Flush(in_, *inner_); next != Next::kTurn) {
        return next;
      }
    }
    if (now < paused_until_) {
      return outer_ending_ ? Next::kClose : Next::kEvent;
    }
    if (!held_.empty()) {
      const auto held = std::exchange(held_, {});
      if (const Next next = Pass(owner, held, now); next != Next::kTurn) {
        return next;
      }
      continue;
    }
    if (client_done_ || !outer_readable_) {
      return Next::kEvent;
    }
    const Moved read = outer_->Read(piece);
    outer_readable_ = read.state == Moved::State::kBytes && (!read.drained || outer_ending_);
    if (read.state == Moved::State::kBlocked) {
      return Next::kEvent;
    }
    if (read.state == Moved::State::kEnd) {
      if (!connected()) {
        return Next::kClose;
      }
      client_done_ = true;  // who serves hears of it, and ends the connection once it has answered
      shutdown(inner_->descriptor(), SHUT_WR);
      return Next::kEvent;
    }
    moved += read.bytes;
    if (const Next next = Pass(owner, piece.first(read.bytes), now); next != Next::kTurn) {
      return next;
    }
  }
  return Next::kTurn;
}

RelayedConnection::Next RelayedConnection::Pass(Owner& owner, std::span<const std::uint8_t> bytes,
                                                Clock::TimePoint now) {
  std::size_t passed = counter_ ? 0 : bytes.size();
  while (passed < bytes.size() && now >= paused_until_) {
    const auto slice = bytes.subspan(passed, std::min(kSlice, bytes.size() - passed));
    if (!Judge(owner, slice, now)) {
      return Next::kClose;
    }
    passed += slice.size();
  }
  const auto held = bytes.subspan(passed);
  held_.assign(held.begin(), held.end());
  return Forward(owner, bytes.first(passed));
}

bool RelayedConnection::Judge(Owner& owner, std::span<const std::uint8_t> bytes, Clock::TimePoint now) {
  if (!counter_) {
    return true;
  }
  Verdict verdict = counter_->Feed(bytes, now);
  if (verdict.close) {
    closed_by_ = verdict.rule;
    return false;
  }
  if (!verdict.toll.empty()) {
    const std::chrono::nanoseconds shared = owner.Count(peer_, verdict.toll);
    if (shared > verdict.pause) {
      verdict.pause = std::min(shared, kLongestPause);
      verdict.rule = verdict.toll.resets > 0 ? Rule::kResets : Rule::kLargeHeaders;
    }
  }
  if (verdict.pause.count() > 0) {
    paused_by_ = verdict.rule;
    paused_until_ = now + verdict.pause;
    new_pause_ = paused_until_;
  }
  return true;
}

RelayedConnection::Next RelayedConnection::Forward(Owner& owner, std::span<const std::uint8_t> bytes) {
  if (!connected()) {
    if (counter_ && !counter_->greeted()) {  // a part of a few bytes, kept until the rest comes
      in_.bytes.insert(in_.bytes.end(), bytes.begin(), bytes.end());
      return Next::kTurn;
    }
    inner_ = owner.Connect();
    if (inner_ == nullptr) {
      return Next::kClose;
    }
    in_.bytes.insert(in_.bytes.end(), bytes.begin(), bytes.end());
    return Flush(in_, *inner_);
  }
  return Write(bytes, in_, *inner_);
}

RelayedConnection::Next RelayedConnection::PumpOut(std::span<std::uint8_t> buffer) {
  for (std::size_t moved = 0; moved < kTurnBytes;) {
    if (const Next next = Flush(out_, *outer_); next != Next::kTurn) {
      return next;
    }
    if (!inner_readable_) {
      return Next::kEvent;
    }
    const Moved read = inner_->Read(buffer);
    inner_readable_ = read.state == Moved::State::kBytes && (!read.drained || inner_ending_);
    if (read.state != Moved::State::kBytes) {
      return read.state == Moved::State::kEnd ? Next::kClose : Next::kEvent;
    }
    moved += read.bytes;
    const auto bytes = buffer.first(read.bytes);
    if (counter_) {
      counter_->FeedAnswer(bytes);
    }
    if (const Next next = Write(bytes, out_, *outer_); next != Next::kTurn) {
      return next;
    }
  }
  return Next::kTurn;
}

RelayedConnection::Next RelayedConnection::Flush(Rest& rest, Stream& to) {
  while (!rest.empty()) {
    const Moved wrote = to.Write(std::span(rest.bytes).subspan(rest.written));
    if (wrote.state != Moved::State::kBytes) {
      return wrote.state == Moved::State::kEnd ? Next::kClose : Next::kEvent;
    }
    rest.written += wrote.bytes;
  }
  if (!rest.bytes.empty()) {
    rest = Rest();  // its memory is free as well
  }
  return Next::kTurn;
}

RelayedConnection::Next RelayedConnection::Write(std::span<const std::uint8_t> bytes, Rest& rest,
                                                 Stream& to) {
  while (rest.empty() && !bytes.empty()) {
    const Moved wrote = to.Write(bytes);
    if (wrote.state == Moved::State::kEnd) {
      return Next::kClose;
    }
    if (wrote.state == Moved::State::kBlocked) {
      break;
    }
    bytes = bytes.subspan(wrote.bytes);
  }
  rest.bytes.insert(rest.bytes.end(), bytes.begin(), bytes.end());
  return rest.empty() ? Next::kTurn : Next::kEvent;  // it was blocked, and an event will tell when it is not
}

}  // namespace spikeserve::transport
