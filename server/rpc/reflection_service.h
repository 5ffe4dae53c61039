#pragma once

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/rpc/context/service_context.h"

namespace spikeserve::rpc {

// Describes the services of this server to tools such as grpcurl. gRPC's own reflection parses messages of
// any size, and without a token; this one takes small messages only. Thread-safe.
class ReflectionService final
    : public grpc::reflection::v1alpha::ServerReflection::WithRawCallbackMethod_ServerReflectionInfo<
          grpc::reflection::v1alpha::ServerReflection::Service> {
 public:
  explicit ReflectionService(const ServiceContext& context) : context_(context) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ServerReflectionInfo(
      grpc::CallbackServerContext* call) override;

 private:
  const ServiceContext& context_;
};

}  // namespace spikeserve::rpc
