#pragma once

#include <grpcpp/generic/async_generic_service.h>

#include "server/rpc/context/service_context.h"

namespace spikeserve::rpc {

// Answers calls of methods that this server does not have: UNIMPLEMENTED with what it has. gRPC's own answer
// has no message, which some clients, Triton's for C++ among them, take for success. Thread-safe.
class UnknownService final : public grpc::CallbackGenericService {
 public:
  explicit UnknownService(const ServiceContext& context) : context_(context) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* call) override;

 private:
  const ServiceContext& context_;
};

}  // namespace spikeserve::rpc
