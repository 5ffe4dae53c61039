#pragma once

#include "inference/grpc_service.grpc.pb.h"
#include "server/rpc/calls/infer_call.h"
#include "server/rpc/calls/infer_stream_call.h"
#include "server/rpc/calls/lookup_call.h"
#include "server/rpc/calls/model_lookups.h"
#include "server/rpc/calls/repository_call.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/context/stream_table.h"

namespace spikeserve::rpc {

// The service with every method raw: messages come as bytes.
template <template <typename> typename... Methods>
struct RawMethods {
  using Service = inference::GRPCInferenceService::Service;
};
template <template <typename> typename First, template <typename> typename... Rest>
struct RawMethods<First, Rest...> {
  using Service = First<typename RawMethods<Rest...>::Service>;
};
using RawInferenceService =
    RawMethods<inference::GRPCInferenceService::WithRawCallbackMethod_ServerLive,
               inference::GRPCInferenceService::WithRawCallbackMethod_ServerReady,
               inference::GRPCInferenceService::WithRawCallbackMethod_ModelReady,
               inference::GRPCInferenceService::WithRawCallbackMethod_ServerMetadata,
               inference::GRPCInferenceService::WithRawCallbackMethod_ModelMetadata,
               inference::GRPCInferenceService::WithRawCallbackMethod_ModelConfig,
               inference::GRPCInferenceService::WithRawCallbackMethod_ModelStatistics,
               inference::GRPCInferenceService::WithRawCallbackMethod_RepositoryIndex,
               inference::GRPCInferenceService::WithRawCallbackMethod_ModelInfer,
               inference::GRPCInferenceService::WithRawCallbackMethod_RepositoryModelLoad,
               inference::GRPCInferenceService::WithRawCallbackMethod_RepositoryModelUnload,
               inference::GRPCInferenceService::WithRawCallbackMethod_SystemSharedMemoryStatus,
               inference::GRPCInferenceService::WithRawCallbackMethod_SystemSharedMemoryRegister,
               inference::GRPCInferenceService::WithRawCallbackMethod_SystemSharedMemoryUnregister,
               inference::GRPCInferenceService::WithRawCallbackMethod_CudaSharedMemoryStatus,
               inference::GRPCInferenceService::WithRawCallbackMethod_CudaSharedMemoryRegister,
               inference::GRPCInferenceService::WithRawCallbackMethod_CudaSharedMemoryUnregister,
               inference::GRPCInferenceService::WithRawCallbackMethod_TraceSetting,
               inference::GRPCInferenceService::WithRawCallbackMethod_LogSettings,
               inference::GRPCInferenceService::WithRawCallbackMethod_ModelStreamInfer>::Service;

// The Open Inference Protocol, on the same networks, queue, tokens and limits as our own services. Takes
// messages as bytes, so that nothing is parsed before the token and the size are checked. Thread-safe.
class InferenceService final : public RawInferenceService {
 public:
  explicit InferenceService(const ServiceContext& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Bytes = grpc::ByteBuffer;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* ModelInfer(Call* call, const Bytes* request, Bytes* response) override {
    return InferCall::Start(context_, *call, *request, *response);
  }
  grpc::ServerBidiReactor<Bytes, Bytes>* ModelStreamInfer(Call* call) override {
    return InferStreamCall::Start(context_, streams_, *call);
  }
  Reactor* RepositoryModelLoad(Call* call, const Bytes* request, Bytes* response) override {
    return RepositoryCall::Load(context_, *call, *request, *response);
  }
  Reactor* RepositoryModelUnload(Call* call, const Bytes* request, Bytes* response) override {
    return RepositoryCall::Unload(context_, *call, *request, *response);
  }
  Reactor* ServerLive(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ServerLive", LookupCall::Parsed<AnswerServerLive>, Scope::kAny}, call, request, response);
  }
  Reactor* ServerReady(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ServerReady", LookupCall::Parsed<AnswerServerReady>, Scope::kAny}, call, request,
                  response);
  }
  Reactor* ModelReady(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ModelReady", LookupCall::Parsed<AnswerModelReady>}, call, request, response);
  }
  Reactor* ServerMetadata(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ServerMetadata", LookupCall::Parsed<AnswerServerMetadata>}, call, request, response);
  }
  Reactor* ModelMetadata(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ModelMetadata", LookupCall::Parsed<AnswerModelMetadata>}, call, request, response);
  }
  Reactor* ModelConfig(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ModelConfig", LookupCall::Parsed<AnswerModelConfig>}, call, request, response);
  }
  Reactor* ModelStatistics(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"ModelStatistics", LookupCall::Parsed<AnswerModelStatistics>}, call, request, response);
  }
  Reactor* RepositoryIndex(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"RepositoryIndex", LookupCall::Parsed<AnswerRepositoryIndex>}, call, request, response);
  }
  Reactor* SystemSharedMemoryStatus(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"SystemSharedMemoryStatus", RefuseSharedMemory}, call, request, response);
  }
  Reactor* SystemSharedMemoryRegister(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"SystemSharedMemoryRegister", RefuseSharedMemory}, call, request, response);
  }
  Reactor* SystemSharedMemoryUnregister(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"SystemSharedMemoryUnregister", RefuseSharedMemory}, call, request, response);
  }
  Reactor* CudaSharedMemoryStatus(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"CudaSharedMemoryStatus", RefuseSharedMemory}, call, request, response);
  }
  Reactor* CudaSharedMemoryRegister(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"CudaSharedMemoryRegister", RefuseSharedMemory}, call, request, response);
  }
  Reactor* CudaSharedMemoryUnregister(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"CudaSharedMemoryUnregister", RefuseSharedMemory}, call, request, response);
  }
  Reactor* TraceSetting(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"TraceSetting", RefuseSettings}, call, request, response);
  }
  Reactor* LogSettings(Call* call, const Bytes* request, Bytes* response) override {
    return Answer({"LogSettings", RefuseSettings}, call, request, response);
  }

  // Ends the streams, each after what it works on.
  void Drain() { streams_.Drain(); }

 private:
  Reactor* Answer(const LookupCall::Method& method, Call* call, const Bytes* request, Bytes* response) {
    return LookupCall::Start(context_, method, *call, *request, *response);
  }

  const ServiceContext& context_;
  StreamTable streams_;
};

}  // namespace spikeserve::rpc
