#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <string_view>

#include "server/base/status.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rpc {

// Parses a message that a client sent: checks its structure, reserves what it takes as received and as
// parsed, reads it into `message`, and drops the fields that this server does not know. `what` names it in a
// refusal. INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
Result<serving::MemoryBudget::Reservation> Receive(const ServiceContext& context,
                                                   const grpc::ByteBuffer& bytes, BulkPath bulk,
                                                   std::string_view what, google::protobuf::Message& message);

}  // namespace spikeserve::rpc
