// The bytes of a RepositoryModelLoadRequest, then of an unload: its names, its parameters with the
// configuration in JSON, and the file that it brings, as it is and as the payload of one that is whole.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "inference/grpc_service.pb.h"
#include "server/rpc/decode/repository_parameters.h"
#include "server/serving/names.h"
#include "server/serving/sha256.h"
#include "tests/fuzz/fuzz_server.h"

namespace spikeserve::fuzz {
namespace {

void RequireRefusal(const Status& status) {
  Require(status.code() == StatusCode::kInvalidArgument, "a load that makes no sense is the client's fault");
  Require(!status.message().empty() && status.message().size() < 2'000, "a refusal says why, in short");
}

void Take(inference::RepositoryModelLoadRequest message) {
  const auto file = rpc::TakeNetworkFile(message);
  if (!file.ok()) {
    RequireRefusal(file.status());
    return;
  }
  if (file.value()) {
    Require(file.value()->version >= 1 && file.value()->version <= serving::kMaxVersion, "a version is one");
    Require(serving::Sha256(file.value()->file.payload) == file.value()->file.sha256,
            "a payload has its digest");
  }
}

void Load(std::string_view bytes) {
  inference::RepositoryModelLoadRequest message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return;
  }
  const auto name = rpc::RepositoryModel(message.repository_name(), message.model_name());
  if (name.ok()) {
    Require(serving::IsValidName(name.value()), "a name that is taken is one");
  } else {
    RequireRefusal(name.status());
  }
  Take(message);
  for (auto& [key, parameter] : *message.mutable_parameters()) {
    if (parameter.has_bytes_param()) {
      const std::string payload = parameter.bytes_param();
      parameter.set_bytes_param(serving::EncodeNetworkFileHeader(engine::Mode::kExact,
                                                                 static_cast<std::int64_t>(payload.size()),
                                                                 serving::Sha256(payload)) +
                                payload);
    }
  }
  Take(message);
}

void Unload(std::string_view bytes) {
  inference::RepositoryModelUnloadRequest message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return;
  }
  if (const Status status = rpc::CheckUnloadParameters(message); !status.ok()) {
    RequireRefusal(status);
  }
}

}  // namespace
}  // namespace spikeserve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static spikeserve::fuzz::FuzzServer server;  // keeps protobuf quiet
  spikeserve::fuzz::Load(bytes);
  spikeserve::fuzz::Unload(bytes);
  return 0;
}
