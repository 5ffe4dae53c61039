#pragma once

#include <string>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/rpc/context/service_context.h"

namespace spikeserve::rpc {

// Full names of the services of this server.
std::vector<std::string> ServiceNames();

// Answers one stream of questions about the services of this server. Both versions of the protocol are the
// same bytes.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartReflection(
    const ServiceContext& context, grpc::CallbackServerContext& call);

// Describes the services of this server to tools such as grpcurl. gRPC's own reflection parses messages of
// any size, and without a token; this one takes small messages only. `Base` is the service of one version of
// the protocol, with its method raw. Thread-safe.
template <typename Base>
class ReflectionServiceOf final : public Base {
 public:
  explicit ReflectionServiceOf(const ServiceContext& context) : context_(context) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ServerReflectionInfo(
      grpc::CallbackServerContext* call) override {
    return StartReflection(context_, *call);
  }

 private:
  const ServiceContext& context_;
};

using ReflectionService =
    ReflectionServiceOf<grpc::reflection::v1::ServerReflection::WithRawCallbackMethod_ServerReflectionInfo<
        grpc::reflection::v1::ServerReflection::Service>>;
// What tools before 2023 speak, and gRPC's own of that time.
using OldReflectionService = ReflectionServiceOf<
    grpc::reflection::v1alpha::ServerReflection::WithRawCallbackMethod_ServerReflectionInfo<
        grpc::reflection::v1alpha::ServerReflection::Service>>;

}  // namespace spikeserve::rpc
