#include "server/rpc/wire/wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <limits>
#include <string>

#include "server/rpc/wire/walk.h"

namespace spikeserve::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Adds up the field at `path`.
struct PathVisitor {
  BulkPath path;
  FieldTotals& totals;

  FieldKind Begin(std::uint32_t tag) const {
    if (WireFormatLite::GetTagFieldNumber(tag) != path.front() ||
        WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      return FieldKind::kSkipped;
    }
    return path.size() == 1 ? FieldKind::kBytes : FieldKind::kMessage;
  }
  void Bytes(int length) const {
    ++totals.count;
    totals.bytes += length;
  }
  PathVisitor Message() const { return {path.subspan(1), totals}; }
  void End(int) const {}
};

Result<FieldTotals> CheckedTotal(google::protobuf::io::ZeroCopyInputStream& input, BulkPath path) {
  CodedInputStream stream(&input);
  FieldTotals totals;
  if (WalkMessage(stream, PathVisitor{path, totals})) {
    return totals;
  }
  return InvalidArgument("the message is damaged: its bytes are not in protobuf form");
}

Result<std::int64_t> Structure(google::protobuf::io::ZeroCopyInputStream& input, std::int64_t size,
                               BulkPath bulk_path) {
  const Result<FieldTotals> bulk = CheckedTotal(input, bulk_path);
  if (!bulk.ok()) {
    return bulk.status();
  }
  return size - bulk.value().bytes;
}

Status Check(const Result<std::int64_t>& structure, std::int64_t max_structure_bytes) {
  if (!structure.ok()) {
    return structure.status();
  }
  if (structure.value() <= max_structure_bytes) {
    return {};
  }
  return ResourceExhausted("the message holds " + std::to_string(structure.value()) +
                           " bytes besides tensor data, allowed " + std::to_string(max_structure_bytes) +
                           " (--max-structure-kb)");
}

// gRPC begins a call whose client has taken it back before its message was there, with no message at all.
Status CheckArrived(const grpc::ByteBuffer& bytes) {
  if (bytes.Valid()) {
    return {};
  }
  return {StatusCode::kCancelled, "the call was taken back before its message came"};
}

}  // namespace

Status CheckStructure(std::string_view bytes, BulkPath bulk, std::int64_t max_structure_bytes) {
  google::protobuf::io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  return Check(Structure(input, static_cast<std::int64_t>(bytes.size()), bulk), max_structure_bytes);
}

Status CheckStructure(const grpc::ByteBuffer& bytes, BulkPath bulk, std::int64_t max_structure_bytes) {
  return Check(StructureBytes(bytes, bulk), max_structure_bytes);
}

Result<FieldTotals> TotalOf(std::string_view bytes, BulkPath path) {
  google::protobuf::io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  return CheckedTotal(input, path);
}

Result<std::int64_t> StructureBytes(const grpc::ByteBuffer& bytes, BulkPath bulk) {
  if (Status status = CheckArrived(bytes); !status.ok()) {
    return status;
  }
  const auto size = static_cast<std::int64_t>(bytes.Length());
  if (size == 0) {
    return size;
  }
  grpc::ByteBuffer shared = bytes;  // the reader wants it mutable; slices are counted, not copied
  grpc::ProtoBufferReader reader(&shared);
  if (!reader.status().ok()) {
    return Internal("the message cannot be read");
  }
  return Structure(reader, size, bulk);
}

Status Parse(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  if (bytes.Length() == 0) {
    return {};
  }
  grpc::ByteBuffer shared = bytes;
  grpc::ProtoBufferReader reader(&shared);
  if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) {
    return {};
  }
  return InvalidArgument("the request is not a valid " + message.GetTypeName() + " message");
}

Status ParseSmall(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  if (Status status = CheckArrived(bytes); !status.ok()) {
    return status;
  }
  const auto size = static_cast<std::int64_t>(bytes.Length());
  if (size <= kMaxSmallMessageBytes) {
    return Parse(bytes, message);
  }
  return ResourceExhausted("the request has " + std::to_string(size) + " bytes, allowed " +
                           std::to_string(kMaxSmallMessageBytes) + " for " + message.GetTypeName());
}

Result<grpc::ByteBuffer> Serialize(const google::protobuf::MessageLite& message) {
  constexpr int kBlockBytes = 1 << 20;
  const std::size_t size = message.ByteSizeLong();
  if (size > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return Internal("the response has " + std::to_string(size) + " bytes, more than a message can hold");
  }
  grpc::ByteBuffer bytes;
  {
    grpc::ProtoBufferWriter writer(&bytes, kBlockBytes, static_cast<int>(size));
    if (!message.SerializeToZeroCopyStream(&writer)) {
      return Internal("the response cannot be serialized");
    }
  }
  return bytes;
}

}  // namespace spikeserve::rpc
