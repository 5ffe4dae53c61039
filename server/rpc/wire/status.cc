#include "server/rpc/wire/status.h"

#include <cstddef>
#include <string>

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

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  return {static_cast<grpc::StatusCode>(status.code()), CutToFit(status.message())};
}

}  // namespace spikeserve::rpc
