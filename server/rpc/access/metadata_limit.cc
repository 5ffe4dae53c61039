#include "server/rpc/access/metadata_limit.h"

#include <string>

namespace spikeserve::rpc {
namespace {

constexpr std::size_t kBytesAField = 32;  // RFC 9113, 10.5.1

}  // namespace

Status CheckMetadata(const grpc::CallbackServerContext& call) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : call.client_metadata()) {
    bytes += name.size() + value.size() + kBytesAField;
  }
  if (bytes <= kMaxMetadataBytes) {
    return {};
  }
  return ResourceExhausted("metadata: the headers of this call take " + std::to_string(bytes) +
                           " bytes (names, values, and 32 for each), allowed " +
                           std::to_string(kMaxMetadataBytes));
}

}  // namespace spikeserve::rpc
