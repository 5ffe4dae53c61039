#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

namespace spikeserve::rpc {

// What a visitor makes of a field. kBytes and kMessage are for fields that are a length and so many bytes.
enum class FieldKind { kSkipped, kBytes, kMessage, kRefused };

// Walks the message that ends where the stream does, field by field, without parsing it; false where it is no
// message, or has a field that the visitor refuses. Allocates nothing. A visitor has
//   FieldKind Begin(std::uint32_t tag);  // a field, of which only the tag is read
//   void Bytes(int length);              // the length of one that is kBytes
//   Visitor Message();                   // who is to walk through one that is kMessage
//   void End(int bytes);                 // the field is over, and took so many bytes
template <typename Visitor>
bool WalkMessage(google::protobuf::io::CodedInputStream& stream, Visitor visitor);

// One field after its tag.
template <typename Visitor>
bool WalkField(google::protobuf::io::CodedInputStream& stream, std::uint32_t tag, Visitor& visitor) {
  const FieldKind kind = visitor.Begin(tag);
  if (kind == FieldKind::kRefused) {
    return false;
  }
  if (kind == FieldKind::kSkipped) {
    return google::protobuf::internal::WireFormatLite::SkipField(&stream, tag);
  }
  int length = 0;
  if (!stream.ReadVarintSizeAsInt(&length)) {
    return false;
  }
  if (kind == FieldKind::kBytes) {
    visitor.Bytes(length);
    return stream.Skip(length);
  }
  const auto limit = stream.PushLimit(length);
  if (!WalkMessage(stream, visitor.Message()) || stream.BytesUntilLimit() != 0) {
    return false;
  }
  stream.PopLimit(limit);
  return true;
}

template <typename Visitor>
bool WalkMessage(google::protobuf::io::CodedInputStream& stream, Visitor visitor) {
  while (true) {
    const int begin = stream.CurrentPosition();
    const std::uint32_t tag = stream.ReadTag();
    if (tag == 0) {
      return stream.ConsumedEntireMessage();
    }
    if (!WalkField(stream, tag, visitor)) {
      return false;
    }
    visitor.End(stream.CurrentPosition() - begin);
  }
}

}  // namespace spikeserve::rpc
