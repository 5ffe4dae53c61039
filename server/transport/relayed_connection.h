#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/transport/frame_counter.h"
#include "server/transport/stream.h"

namespace spikeserve::transport {

// A client's connection, and one of our own to who serves it: what comes from either goes to the other, the
// client's bytes past the rules of a FrameCounter. What the receiving side does not take is not read from the
// sending side, so that there is never more than one piece of each direction here. While it is paused, the
// client is not read either, and what it left unsaid when it goes is dropped. The second connection is made
// once the client has said something. By one thread.
class RelayedConnection {
 public:
  // What the owner does for a connection.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Our end of a new connection to who serves; null where there is no descriptor left.
    virtual std::unique_ptr<Stream> Connect() = 0;
    // How long to wait after this, counted over all connections of the client's address.
    virtual Clock::TimePoint::duration Count(const std::string& peer, const Toll& toll) = 0;
  };
  // What a connection waits for.
  enum class Next {
    kEvent,  // one of its sockets, or the end of its pause
    kTurn,   // its turn, once others have had theirs
    kClose
  };

  RelayedConnection(std::unique_ptr<Stream> outer, std::string peer, bool guarded);

  // Moves what there is to move, 256 KB of each direction at most. `buffer` is scratch.
  Next Pump(Owner& owner, std::span<std::uint8_t> buffer, Clock::TimePoint now);
  // Something happened to one of the two sockets. `ending`: its other side does not send any more.
  void OuterReady(bool ending);
  void InnerReady(bool ending);

  const std::string& peer() const { return peer_; }
  // Whether there are bytes for the client that its socket does not take now.
  bool unsent() const { return !out_.empty(); }
  // Whether who serves has ended the connection.
  bool ended_inside() const { return inner_ending_; }
  // Of the relay: whether it counts the connection as unsent, and when it closes it for not being read.
  bool counted_unsent = false;
  std::optional<Clock::TimePoint> close_at;
  // Whether the client has said what it should say first.
  bool connected() const { return inner_ != nullptr; }
  // The rules by which the last pause began, and by which kClose came; kNone where there was none.
  Rule paused_by() const { return paused_by_; }
  Rule closed_by() const { return closed_by_; }
  // The end of a pause that has begun since the last time this was asked.
  std::optional<Clock::TimePoint> TakeNewPause() { return std::exchange(new_pause_, std::nullopt); }

 private:
  // Bytes that were read and could not be written yet.
  struct Rest {
    std::vector<std::uint8_t> bytes;
    std::size_t written = 0;
    bool empty() const { return written == bytes.size(); }
  };

  Next PumpIn(Owner& owner, std::span<std::uint8_t> buffer, Clock::TimePoint now);
  Next PumpOut(std::span<std::uint8_t> buffer);
  // Forwards the bytes up to where a pause begins, and holds the others back.
  Next Pass(Owner& owner, std::span<const std::uint8_t> bytes, Clock::TimePoint now);
  // False where the bytes break a rule and may not pass.
  bool Judge(Owner& owner, std::span<const std::uint8_t> bytes, Clock::TimePoint now);
  Next Forward(Owner& owner, std::span<const std::uint8_t> bytes);
  // kTurn where all was written.
  static Next Flush(Rest& rest, Stream& to);
  static Next Write(std::span<const std::uint8_t> bytes, Rest& rest, Stream& to);

  const std::unique_ptr<Stream> outer_;
  const std::string peer_;
  std::unique_ptr<Stream> inner_;  // null: the client has not greeted yet
  std::optional<FrameCounter> counter_;
  std::vector<std::uint8_t> held_;  // of the client, not judged yet
  Rest in_;                         // towards inner_
  Rest out_;                        // towards outer_
  bool outer_readable_ = true;
  bool inner_readable_ = true;
  bool outer_ending_ = false;
  bool inner_ending_ = false;
  bool client_done_ = false;
  Rule paused_by_ = Rule::kNone;
  Rule closed_by_ = Rule::kNone;
  Clock::TimePoint paused_until_;
  std::optional<Clock::TimePoint> new_pause_;
};

}  // namespace spikeserve::transport
