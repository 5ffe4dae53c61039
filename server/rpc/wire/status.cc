#include "server/rpc/wire/status.h"

#include <chrono>
#include <cstddef>
#include <string>

#include "google/rpc/error_details.pb.h"

namespace spikeserve::rpc {
namespace {

// Clients refuse trailers above 8 KiB, and other trailers need room too.
constexpr std::size_t kMaxEncodedMessage = 6000;

// Bytes of a character in grpc-message, which is percent-encoded.
std::size_t EncodedSize(char c) { return c < ' ' || c > '~' || c == '%' ? 3 : 1; }

std::string CutToFit(const std::string& message) {
  std::size_t encoded = 0;
  std::size_t last_line = std::string::npos;
  for (std::size_t i = 0; i < message.size(); ++i) {
    encoded += EncodedSize(message[i]);
    if (message[i] == '\n') {
      last_line = i;
    }
    if (encoded <= kMaxEncodedMessage) {
      continue;
    }
    const std::size_t end = last_line == std::string::npos ? i : last_line;
    return message.substr(0, end) + "\n- and more, too long to be sent";
  }
  return message;
}

google::rpc::RetryInfo RetryInfoOf(const Status& status) {
  constexpr std::chrono::milliseconds::rep kMillisPerSecond = 1000;
  constexpr int kNanosPerMilli = 1'000'000;
  google::rpc::RetryInfo info;
  const auto wait = status.retry_after().count();
  info.mutable_retry_delay()->set_seconds(wait / kMillisPerSecond);
  info.mutable_retry_delay()->set_nanos(static_cast<int>(wait % kMillisPerSecond) * kNanosPerMilli);
  return info;
}

// A message that is repeated in the details has to fit the trailers twice.
constexpr std::size_t kMaxDetailedMessage = 1500;

// Some clients show the message of the details alone.
std::string Details(const Status& status) {
  if (status.retry_after() <= std::chrono::milliseconds::zero() ||
      status.message().size() > kMaxDetailedMessage) {
    return {};
  }
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(status.message());
  details.add_details()->PackFrom(RetryInfoOf(status));
  return details.SerializeAsString();
}

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  return {static_cast<grpc::StatusCode>(status.code()), CutToFit(status.message()), Details(status)};
}

}  // namespace spikeserve::rpc
