#include "server/rest/caller.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>

#include "server/base/quote.h"

namespace spikeserve::rest {
namespace {

// A longer time is as good as none, and clocks have no value for the end of the longest.
constexpr std::chrono::nanoseconds kLongestTimeout = std::chrono::hours(24 * 365);

// What gRPC takes for a time: up to eight digits and a unit.
std::optional<std::chrono::nanoseconds> ParseTimeout(std::string_view text) {
  using std::chrono::nanoseconds;
  static constexpr std::string_view kUnits = "HMSmun";
  static constexpr std::array<std::int64_t, 6> kNanoseconds = {
      3'600'000'000'000, 60'000'000'000, 1'000'000'000, 1'000'000, 1'000, 1};
  constexpr std::size_t kMaxDigits = 8;
  if (text.size() < 2 || text.size() > kMaxDigits + 1) {
    return std::nullopt;
  }
  const std::size_t unit = kUnits.find(text.back());
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, count);
  if (unit == std::string_view::npos || error != std::errc() || end != text.data() + text.size() - 1 ||
      count < 0) {
    return std::nullopt;
  }
  const std::int64_t most = kLongestTimeout.count() / kNanoseconds[unit];
  return count > most ? kLongestTimeout : nanoseconds(count * kNanoseconds[unit]);
}

// What gRPC takes for the value of a header; for anything else it aborts.
bool IsHeaderValue(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Caller::~Caller() { WaitIdle(); }

void Caller::WaitIdle() {
  const MutexLock lock(mu_);
  while (calls_ > 0) {
    none_left_.wait(mu_);
  }
}

void Caller::Begun() {
  const MutexLock lock(mu_);
  ++calls_;
}

void Caller::Ended() {
  const MutexLock lock(mu_);
  --calls_;
  none_left_.notify_all();  // under the lock: the caller may be gone after it
}

Result<serving::MemoryBudget::Reservation> Caller::ReserveParsed(const grpc::ByteBuffer& bytes) {
  // The bytes themselves, the tensors in them once more, and small messages and texts, which grow.
  constexpr std::int64_t kCopies = 2;
  constexpr std::int64_t kSmall = 16 << 10;
  return budget_.Reserve(kCopies * static_cast<std::int64_t>(bytes.Length()) + kSmall,
                         "the answer on its way to HTTP");
}

std::string Caller::PathOf(const char* method) {
  return std::string("/inference.GRPCInferenceService/") + method;
}

Status PrepareCall(const http::Head& head, grpc::ClientContext& context) {
  if (!head.authorization.empty()) {
    if (!IsHeaderValue(head.authorization)) {
      return {StatusCode::kUnauthenticated, "authorization: has characters that no token has"};
    }
    context.AddMetadata("authorization", head.authorization);
  }
  context.AddMetadata("x-request-id", head.request_id);  // which the gateway has checked, or made
  if (!head.traceparent.empty() && IsHeaderValue(head.traceparent)) {
    context.AddMetadata("traceparent", head.traceparent);
  }
  if (head.grpc_timeout.empty()) {
    return {};
  }
  const auto timeout = ParseTimeout(head.grpc_timeout);
  if (!timeout) {
    return InvalidArgument("grpc-timeout: got " + Quote(head.grpc_timeout) +
                           ", wanted up to eight digits and one of H, M, S, m, u and n");
  }
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::duration_cast<std::chrono::system_clock::duration>(*timeout));
  return {};
}

Status Caller::StatusOf(const grpc::Status& status) const {
  const bool cut = status.error_code() == grpc::StatusCode::CANCELLED ||
                   status.error_code() == grpc::StatusCode::UNAVAILABLE;
  if (closed_ && cut) {
    return Unavailable("the server is shutting down");
  }
  return {static_cast<StatusCode>(status.error_code()), status.error_message()};
}

}  // namespace spikeserve::rest
