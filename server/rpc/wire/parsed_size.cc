#include "server/rpc/wire/parsed_size.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <string>

namespace spikeserve::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Each with the overhead of the allocator, and twice the slot in a list, as lists grow by doubling.
constexpr std::int64_t kMessageBytes = 256;  // the object of a message; those of this protocol have up to 200
constexpr std::int64_t kStringBytes = 96;    // a string without its characters, known or unknown
constexpr std::int64_t kNumberBytes = 32;    // a number, known or unknown
constexpr std::int64_t kPackedGrowth =
    16;  // bytes for one byte of a packed list: eight for a number, doubled

struct Totals {
  std::int64_t memory = 0;   // bytes once parsed
  std::int64_t unknown = 0;  // bytes on the wire of fields that the types do not have
};

// Whether the parser takes the field for one of the message's own.
bool IsKnown(const FieldDescriptor* field, WireFormatLite::WireType wire_type) {
  if (field == nullptr) {
    return false;
  }
  if (field->is_packable() && wire_type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
    return true;
  }
  return WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field->type())) ==
         wire_type;
}

// Adds the message that ends where the stream does; false where it is none.
bool AddMessage(CodedInputStream& stream, const Descriptor& type, Totals& totals);

// A field after its tag: a length and so many bytes. `field` is null where it is unknown.
bool AddDelimited(CodedInputStream& stream, const FieldDescriptor* field, Totals& totals) {
  int length = 0;
  if (!stream.ReadVarintSizeAsInt(&length)) {
    return false;
  }
  if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
    const CodedInputStream::Limit limit = stream.PushLimit(length);
    if (!AddMessage(stream, *field->message_type(), totals) || stream.BytesUntilLimit() != 0) {
      return false;
    }
    stream.PopLimit(limit);
    return true;
  }
  const bool packed = field != nullptr && field->is_packable();
  totals.memory += packed ? kPackedGrowth * length : kStringBytes + length;
  return stream.Skip(length);
}

bool AddField(CodedInputStream& stream, std::uint32_t tag, const FieldDescriptor* field, Totals& totals) {
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: return AddDelimited(stream, field, totals);
    case WireFormatLite::WIRETYPE_START_GROUP:
    case WireFormatLite::WIRETYPE_END_GROUP: return false;
    default: totals.memory += kNumberBytes; return WireFormatLite::SkipField(&stream, tag);
  }
}

bool AddMessage(CodedInputStream& stream, const Descriptor& type, Totals& totals) {
  totals.memory += kMessageBytes;
  while (true) {
    const int begin = stream.CurrentPosition();
    const std::uint32_t tag = stream.ReadTag();
    if (tag == 0) {
      return stream.ConsumedEntireMessage();
    }
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (!IsKnown(field, WireFormatLite::GetTagWireType(tag))) {
      field = nullptr;
    }
    if (!AddField(stream, tag, field, totals)) {
      return false;
    }
    if (field == nullptr) {
      totals.unknown += stream.CurrentPosition() - begin;
    }
  }
}

Result<std::int64_t> Measure(google::protobuf::io::ZeroCopyInputStream& input, const Descriptor& type) {
  CodedInputStream stream(&input);
  Totals totals;
  if (!AddMessage(stream, type, totals)) {
    return InvalidArgument("the message is damaged: its bytes are not a valid " + type.full_name());
  }
  if (totals.unknown <= kMaxUnknownBytes) {
    return totals.memory;
  }
  return ResourceExhausted("the message holds " + std::to_string(totals.unknown) +
                           " bytes of fields that this server does not know, allowed " +
                           std::to_string(kMaxUnknownBytes));
}

}  // namespace

Result<std::int64_t> ParsedBytes(std::string_view bytes, const Descriptor& type) {
  google::protobuf::io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  return Measure(input, type);
}

Result<std::int64_t> ParsedBytes(const grpc::ByteBuffer& bytes, const Descriptor& type) {
  if (bytes.Length() == 0) {
    return kMessageBytes;
  }
  grpc::ByteBuffer shared = bytes;  // the reader wants it mutable; slices are counted, not copied
  grpc::ProtoBufferReader reader(&shared);
  if (!reader.status().ok()) {
    return Internal("the message cannot be read");
  }
  return Measure(reader, type);
}

}  // namespace spikeserve::rpc
