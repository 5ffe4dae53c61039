#include "server/rpc/wire/parsed_size.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <string>

#include "server/rpc/wire/walk.h"

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
constexpr std::int64_t kPackedGrowth = 16;   // for one byte of a packed list: eight for a number, doubled

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

// Adds up what a message and its fields take; a message of `type` begins with it.
class SizeVisitor {
 public:
  SizeVisitor(const Descriptor& type, Totals& totals) : type_(type), totals_(totals) {
    totals_.memory += kMessageBytes;
  }

  FieldKind Begin(std::uint32_t tag) {
    const WireFormatLite::WireType wire_type = WireFormatLite::GetTagWireType(tag);
    field_ = type_.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (!IsKnown(field_, wire_type)) {
      field_ = nullptr;
    }
    switch (wire_type) {
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return field_ != nullptr && field_->type() == FieldDescriptor::TYPE_MESSAGE ? FieldKind::kMessage
                                                                                    : FieldKind::kBytes;
      case WireFormatLite::WIRETYPE_START_GROUP:
      case WireFormatLite::WIRETYPE_END_GROUP: return FieldKind::kRefused;
      default: totals_.memory += kNumberBytes; return FieldKind::kSkipped;
    }
  }
  void Bytes(int length) const {
    const bool packed = field_ != nullptr && field_->is_packable();
    totals_.memory += packed ? kPackedGrowth * length : kStringBytes + length;
  }
  SizeVisitor Message() const { return {*field_->message_type(), totals_}; }
  void End(int bytes) const {
    if (field_ == nullptr) {
      totals_.unknown += bytes;
    }
  }

 private:
  const Descriptor& type_;
  Totals& totals_;
  const FieldDescriptor* field_ = nullptr;  // the one that is being walked; null where it is unknown
};

Result<std::int64_t> Measure(google::protobuf::io::ZeroCopyInputStream& input, const Descriptor& type) {
  CodedInputStream stream(&input);
  Totals totals;
  if (!WalkMessage(stream, SizeVisitor(type, totals))) {
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
