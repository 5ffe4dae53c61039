#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <string_view>

#include "server/base/status.h"

namespace spikeserve::rpc {

// What a message may hold of fields that its type and their parts do not have: a newer client's, which would
// be read for nothing.
inline constexpr std::int64_t kMaxUnknownBytes = 16 << 10;

// Upper bound of the memory, in bytes, that `bytes` take once parsed as a message of `type`: every field,
// known or not, counts with what protobuf allocates for it, so that a few bytes on the wire that become an
// object do not pass for a few bytes. Allocates nothing. INVALID_ARGUMENT where the bytes are no such
// message; groups, which no message here has, are refused too. RESOURCE_EXHAUSTED where more than
// kMaxUnknownBytes are of unknown fields.
Result<std::int64_t> ParsedBytes(std::string_view bytes, const google::protobuf::Descriptor& type);
Result<std::int64_t> ParsedBytes(const grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type);

}  // namespace spikeserve::rpc
