#include "server/rpc/context/receive.h"

#include "server/rpc/wire/parsed_size.h"

namespace spikeserve::rpc {

Result<serving::MemoryBudget::Reservation> Receive(const ServiceContext& context,
                                                   const grpc::ByteBuffer& bytes, BulkPath bulk,
                                                   std::string_view what,
                                                   google::protobuf::Message& message) {
  if (Status status = CheckStructure(bytes, bulk, context.limits.max_structure_bytes); !status.ok()) {
    return status;
  }
  const auto size = static_cast<std::int64_t>(bytes.Length());
  const auto parsed = ParsedBytes(bytes, *message.GetDescriptor());
  if (!parsed.ok()) {
    return parsed.status();
  }
  auto reservation = context.budget.Reserve(size + parsed.value(), what);
  if (!reservation.ok()) {
    return reservation;
  }
  if (Status status = Parse(bytes, message); !status.ok()) {
    return status;
  }
  message.DiscardUnknownFields();
  reservation.value().ShrinkTo(size + static_cast<std::int64_t>(message.SpaceUsedLong()));
  return reservation;
}

}  // namespace spikeserve::rpc
