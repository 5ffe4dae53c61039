#pragma once

#include <grpcpp/server_context.h>

#include <cstddef>

#include "server/base/status.h"

namespace spikeserve::rpc {

// What the headers that a client sends with one call may have, counted as HTTP/2 counts: names, values, and
// 32 bytes for each.
inline constexpr std::size_t kMaxMetadataBytes = 8 << 10;
// Beyond this gRPC ends the whole connection, and with it the calls of others on it.
inline constexpr int kMaxConnectionMetadataBytes = 64 << 10;

// RESOURCE_EXHAUSTED where the headers of `call` are larger than kMaxMetadataBytes: it alone fails.
Status CheckMetadata(const grpc::CallbackServerContext& call);

}  // namespace spikeserve::rpc
