#include "server/rpc/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "inference/grpc_service.pb.h"
#include "server/base/guarded.h"
#include "server/rpc/access/metadata_limit.h"
#include "server/rpc/wire/status.h"
#include "server/rpc/wire/wire.h"
#include "spikeserve/v1/network.pb.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

// A message of each file that has a service here. That it is named keeps its descriptors in the program.
std::vector<const FileDescriptor*> Files() {
  return {grpc::health::v1::HealthCheckRequest::descriptor()->file(),
          ServerReflectionRequest::descriptor()->file(),
          grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file(),
          inference::ModelInferRequest::descriptor()->file(),
          v1::ListNetworksRequest::descriptor()->file(),
          v1::SimulateRequest::descriptor()->file()};
}

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
      for (const std::string& name : ServiceNames()) {
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
      : context_(context), call_(call), pass_(context.gate, call) {
    Status status = pass_.status();
    if (status.ok()) {
      status = CheckMetadata(call);
    }
    if (status.ok()) {
      static_cast<void>(pass_.Leave());  // one that waits for a question holds up no end of the server
      StartRead(&question_);
    } else {
      Finish(ToGrpc(status));
    }
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
  CallGate::Pass pass_;
  grpc::ByteBuffer question_;
  grpc::ByteBuffer answer_;
};

}  // namespace

std::vector<std::string> ServiceNames() {
  std::vector<std::string> names;
  for (const FileDescriptor* file : Files()) {
    for (int i = 0; i < file->service_count(); ++i) {
      names.push_back(file->service(i)->full_name());
    }
  }
  return names;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartReflection(
    const ServiceContext& context, grpc::CallbackServerContext& call) {
  return new ReflectionCall(context, call);
}

}  // namespace spikeserve::rpc
