#include "server/rpc/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/wire/status.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

constexpr const char* kServices[] = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection",
                                     "spikeserve.v1.NetworkService", "spikeserve.v1.SimulationService"};

void SetNotFound(ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
  response.mutable_error_response()->set_error_message("this server does not know it");
}

// Imports first, each file once.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added,
             ServerReflectionResponse& response) {
  if (!added.insert(&file).second) {
    return;
  }
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFile(*file.dependency(i), added, response);
  }
  google::protobuf::FileDescriptorProto message;
  file.CopyTo(&message);
  response.mutable_file_descriptor_response()->add_file_descriptor_proto(message.SerializeAsString());
}

void AnswerFile(const FileDescriptor* file, ServerReflectionResponse& response) {
  if (file == nullptr) {
    return SetNotFound(response);
  }
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, response);
}

void AnswerExtensions(const std::string& type, ServerReflectionResponse& response) {
  if (DescriptorPool::generated_pool()->FindMessageTypeByName(type) == nullptr) {
    return SetNotFound(response);
  }
  response.mutable_all_extension_numbers_response()->set_base_type_name(type);  // proto3 messages have none
}

void Answer(const ServerReflectionRequest& request, ServerReflectionResponse& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      return AnswerFile(pool.FindFileByName(request.file_by_filename()), response);
    case ServerReflectionRequest::kFileContainingSymbol:
      return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return AnswerExtensions(request.all_extension_numbers_of_type(), response);
    case ServerReflectionRequest::kListServices:
      for (const char* name : kServices) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      return;
    case ServerReflectionRequest::kFileContainingExtension: return SetNotFound(response);
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET: break;
  }
  response.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
  response.mutable_error_response()->set_error_message("message_request: got none that this server knows");
}

// One stream of questions and answers, one at a time. Deletes itself when it is over.
class ReflectionCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  ReflectionCall(const ServiceContext& context, grpc::CallbackServerContext& call)
      : context_(context), call_(call) {
    StartRead(&question_);
  }
  ~ReflectionCall() override { static_cast<void>(context_.watch.Stop(call_)); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return Finish(grpc::Status::OK);
    }
    const Status status = Guarded([this] { return Prepare(); });
    if (!status.ok()) {
      return Finish(ToGrpc(status));
    }
    context_.watch.Start(call_);
    StartWrite(&answer_);
  }
  void OnWriteDone(bool ok) override {
    static_cast<void>(context_.watch.Stop(call_));
    if (!ok) {
      return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled by the client"));
    }
    StartRead(&question_);
  }
  void OnDone() override { delete this; }

 private:
  Status Prepare() {
    ServerReflectionRequest request;
    if (Status status = ParseSmall(question_, request); !status.ok()) {
      return status;
    }
    request.DiscardUnknownFields();
    ServerReflectionResponse response;
    Answer(request, response);
    auto bytes = Serialize(response);
    if (!bytes.ok()) {
      return bytes.status();
    }
    answer_ = std::move(bytes).value();
    return {};
  }

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  grpc::ByteBuffer question_;
  grpc::ByteBuffer answer_;
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ReflectionService::ServerReflectionInfo(
    grpc::CallbackServerContext* call) {
  return new ReflectionCall(context_, *call);
}

}  // namespace spikeserve::rpc
