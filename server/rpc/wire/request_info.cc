#include "server/rpc/wire/request_info.h"

#include <cstddef>

#include "google/rpc/error_details.pb.h"
#include "server/rpc/wire/status.h"

namespace spikeserve::rpc {
namespace {

// Some clients show the message of the details alone, and a longer one does not fit the trailers twice.
constexpr std::size_t kMaxDetailedMessage = 1500;

}  // namespace

grpc::Status ToGrpc(const Status& plain, const std::string& request_id, grpc::ServerContextBase& call) {
  call.AddTrailingMetadata("x-request-id", request_id);
  const grpc::Status status = ToGrpc(plain);
  if (status.ok() || status.error_message().size() > kMaxDetailedMessage) {
    return status;
  }
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details()) || details.details().empty()) {
    details.set_code(status.error_code());
    details.set_message(status.error_message());
  }
  google::rpc::RequestInfo info;
  info.set_request_id(request_id);
  details.add_details()->PackFrom(info);
  return {status.error_code(), status.error_message(), details.SerializeAsString()};
}

}  // namespace spikeserve::rpc
