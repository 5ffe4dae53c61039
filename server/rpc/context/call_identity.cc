#include "server/rpc/context/call_identity.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

namespace spikeserve::rpc {
namespace {

constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kSpanDigits = 16;
constexpr std::size_t kTraceAt = 3;
constexpr std::size_t kSpanAt = kTraceAt + kTraceDigits + 1;
constexpr std::size_t kFlagsAt = kSpanAt + kSpanDigits + 1;
constexpr std::size_t kHeaderSize = kFlagsAt + 2;

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool IsId(std::string_view text) {
  return IsHex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

std::uint64_t Number(std::string_view hex) {
  std::uint64_t value = 0;
  std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  return value;
}

std::string_view Metadata(const grpc::ServerContextBase& call, const char* name) {
  const auto found = call.client_metadata().find(name);
  return found == call.client_metadata().end() ? std::string_view()
                                               : std::string_view(found->second.data(), found->second.size());
}

// By the trace's id, so that servers of one rate choose the same traces.
bool IsChosen(const std::string& trace_id, double sample_rate) {
  const double place = static_cast<double>(Number(std::string_view(trace_id).substr(kSpanDigits))) /
                       static_cast<double>(std::numeric_limits<std::uint64_t>::max());
  return sample_rate >= 1 || place < sample_rate;
}

}  // namespace

std::optional<TraceParent> ParseTraceParent(std::string_view header) {
  if (header.size() < kHeaderSize || header[2] != '-' || header[kSpanAt - 1] != '-' ||
      header[kFlagsAt - 1] != '-') {
    return std::nullopt;
  }
  const std::string_view version = header.substr(0, 2);
  const std::string_view trace = header.substr(kTraceAt, kTraceDigits);
  const std::string_view span = header.substr(kSpanAt, kSpanDigits);
  const std::string_view flags = header.substr(kFlagsAt, 2);
  // A later version may have more behind it, after another dash.
  const bool ends = header.size() == kHeaderSize || (version != "00" && header[kHeaderSize] == '-');
  if (!ends || !IsHex(version) || version == "ff" || !IsId(trace) || !IsId(span) || !IsHex(flags)) {
    return std::nullopt;
  }
  return TraceParent{std::string(trace), std::string(span), (Number(flags) & 1U) != 0};
}

CallIdentity Identify(const grpc::ServerContextBase& call, IdSource& ids, double sample_rate) {
  CallIdentity identity;
  if (const auto parent = ParseTraceParent(Metadata(call, "traceparent"))) {
    identity.trace_id = parent->trace_id;
    identity.parent_span_id = parent->span_id;
    identity.sampled = parent->sampled;
  } else {
    identity.trace_id = ids.NewId();
    identity.sampled = IsChosen(identity.trace_id, sample_rate);
  }
  const std::string_view given = Metadata(call, "x-request-id");
  identity.request_id = IsRequestId(given) ? std::string(given) : identity.trace_id;
  return identity;
}

}  // namespace spikeserve::rpc
