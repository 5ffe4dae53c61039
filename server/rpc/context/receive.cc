#include "server/rpc/context/receive.h"

#include "server/rpc/wire/parsed_size.h"

namespace spikeserve::rpc {
namespace {

// Of a request's memory, what may be reserved without need.
constexpr std::int64_t kSlackBytes = 16 << 10;

}  // namespace

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
  // To measure takes a look at every field. What was foreseen is close, but for lists of numbers.
  if (parsed.value() > size + kSlackBytes) {
    reservation.value().ShrinkTo(size + static_cast<std::int64_t>(message.SpaceUsedLong()));
  }
  return reservation;
}

}  // namespace spikeserve::rpc
