#include "server/rpc/parsed_size.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

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

// Adds what the message that ends where the stream does takes; false where it is none.
bool AddMessage(CodedInputStream& stream, const Descriptor& type, std::int64_t& total);

// A field after its tag: a length and so many bytes.
bool AddDelimited(CodedInputStream& stream, const FieldDescriptor* field, std::int64_t& total) {
  int length = 0;
  if (!stream.ReadVarintSizeAsInt(&length)) return false;
  if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
    const CodedInputStream::Limit limit = stream.PushLimit(length);
    if (!AddMessage(stream, *field->message_type(), total) || stream.BytesUntilLimit() != 0) return false;
    stream.PopLimit(limit);
    return true;
  }
  const bool packed = field != nullptr && field->is_packable();
  total += packed ? kPackedGrowth * length : kStringBytes + length;
  return stream.Skip(length);
}

bool AddMessage(CodedInputStream& stream, const Descriptor& type, std::int64_t& total) {
  total += kMessageBytes;
  while (const std::uint32_t tag = stream.ReadTag()) {
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        if (!AddDelimited(stream, type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag)), total))
          return false;
        break;
      case WireFormatLite::WIRETYPE_START_GROUP:
      case WireFormatLite::WIRETYPE_END_GROUP: return false;
      default:
        total += kNumberBytes;
        if (!WireFormatLite::SkipField(&stream, tag)) return false;
    }
  }
  return stream.ConsumedEntireMessage();
}

Result<std::int64_t> Measure(google::protobuf::io::ZeroCopyInputStream& input, const Descriptor& type) {
  CodedInputStream stream(&input);
  std::int64_t total = 0;
  if (AddMessage(stream, type, total)) return total;
  return InvalidArgument("the message is damaged: its bytes are not a valid " + type.full_name());
}

}  // namespace

Result<std::int64_t> ParsedBytes(std::string_view bytes, const Descriptor& type) {
  google::protobuf::io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  return Measure(input, type);
}

Result<std::int64_t> ParsedBytes(const grpc::ByteBuffer& bytes, const Descriptor& type) {
  if (bytes.Length() == 0) return kMessageBytes;
  grpc::ByteBuffer shared = bytes;  // the reader wants it mutable; slices are counted, not copied
  grpc::ProtoBufferReader reader(&shared);
  if (!reader.status().ok()) return Internal("the message cannot be read");
  return Measure(reader, type);
}

}  // namespace spikeserve::rpc
