#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "server/base/status.h"

namespace spikeserve::rpc {

// Field numbers from the message down to the bytes field that holds bulk data.
using BulkPath = std::span<const int>;

// Refuses bytes that would grow out of bounds when parsed: small messages take tens of bytes of memory for
// two on the wire, bulk data takes what it is. Allocates nothing. INVALID_ARGUMENT where the bytes are no
// message, RESOURCE_EXHAUSTED where more than `max_structure_bytes` lie outside of bulk data.
Status CheckStructure(std::string_view bytes, BulkPath bulk, std::int64_t max_structure_bytes);
Status CheckStructure(const grpc::ByteBuffer& bytes, BulkPath bulk, std::int64_t max_structure_bytes);

// How often a bytes, string or message field occurs, and how many bytes it holds in all.
struct FieldTotals {
  std::int64_t count = 0;
  std::int64_t bytes = 0;
};
// Counts the field at `path`. INVALID_ARGUMENT where the bytes are no message. Allocates nothing.
Result<FieldTotals> TotalOf(std::string_view bytes, BulkPath path);

// Counts the bytes outside of bulk data. INVALID_ARGUMENT where the bytes are no message, CANCELLED where
// none came. Allocates nothing.
Result<std::int64_t> StructureBytes(const grpc::ByteBuffer& bytes, BulkPath bulk);

// Parses what passed CheckStructure. INVALID_ARGUMENT names the message type.
Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

// What a message without bulk data, which has no reason to be large, may have.
inline constexpr std::int64_t kMaxSmallMessageBytes = 16 << 10;
// Parses such a message. RESOURCE_EXHAUSTED above kMaxSmallMessageBytes, CANCELLED where none
// came, else as Parse.
Status ParseSmall(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

// The message as it goes onto the wire; INTERNAL where it is too large for protobuf.
Result<grpc::ByteBuffer> Serialize(const google::protobuf::MessageLite& message);

}  // namespace spikeserve::rpc
