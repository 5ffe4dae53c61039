#include "server/rpc/decode/repository_parameters.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <string_view>
#include <utility>

#include "server/base/quote.h"
#include "server/rpc/decode/infer_request.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

using inference::ModelRepositoryParameter;

constexpr std::string_view kFile = "file:";
constexpr const char* kAllowed =
    ", allowed \"file:VERSION/network.spk\" with the bytes of a .spk file, and \"config\"";

constexpr std::size_t kMaxConfigBytes = 1024;
constexpr const char* kConfigFields =
    ", allowed name (that of the model), backend and platform (\"spikeserve\"); all else is part of the "
    "network "
    "and of each request";

// "file:1/network.spk" -> 1. What the client calls the file has no meaning here.
Result<std::int64_t> VersionOfKey(const std::string& key) {
  const std::size_t slash = key.find('/');
  const std::string version =
      slash == std::string::npos ? "" : key.substr(kFile.size(), slash - kFile.size());
  if (version.empty()) {
    return InvalidArgument("parameters: got " + Quote(key) + kAllowed);
  }
  return DecodeVersion("parameters[" + Quote(key) + "]: the version", version);
}

// Clients send a configuration along with files. A network brings its own, so one that says anything beside
// whose it is cannot be followed.
Status CheckConfig(const ModelRepositoryParameter& config, const std::string& model) {
  const std::string where = "parameters[\"config\"]";
  if (config.string_param().size() > kMaxConfigBytes) {  // before it is parsed, which may take long
    return InvalidArgument(where + ": got " + std::to_string(config.string_param().size()) +
                           " bytes, allowed " + std::to_string(kMaxConfigBytes) + kConfigFields);
  }
  google::protobuf::Struct fields;
  if (!config.has_string_param() ||
      !google::protobuf::util::JsonStringToMessage(
           config.string_param().empty() ? "{}" : config.string_param(), &fields)
           .ok()) {
    return InvalidArgument(where + ": got no JSON object, wanted a text with one");
  }
  for (const auto& [name, value] : fields.fields()) {
    const bool ours = (name == "backend" || name == "platform") && value.string_value() == "spikeserve";
    if (!ours && !(name == "name" && value.string_value() == model)) {
      return InvalidArgument(where + ": got " + Quote(name) + kConfigFields);
    }
  }
  return {};
}

Result<NetworkToLoad> Decode(const std::string& key, ModelRepositoryParameter& value) {
  const auto version = VersionOfKey(key);
  if (!version.ok()) {
    return version.status();
  }
  if (!value.has_bytes_param()) {
    return InvalidArgument("parameters[" + Quote(key) + "]: wanted bytes");
  }
  auto file = serving::DecodeNetworkFile(std::move(*value.mutable_bytes_param()));
  if (!file.ok()) {
    return InvalidArgument("parameters[" + Quote(key) +
                           "]: wanted the bytes of a .spk file: " + file.status().message());
  }
  return NetworkToLoad{version.value(), std::move(file).value()};
}

}  // namespace

Result<std::string> RepositoryModel(const std::string& repository_name, const std::string& model_name) {
  if (!repository_name.empty() && !model_name.empty()) {
    return InvalidArgument("repository_name: got " + Quote(repository_name) +
                           ", allowed none: there is one repository");
  }
  const bool kserve = model_name.empty() && !repository_name.empty();
  const std::string& name = kserve ? repository_name : model_name;
  if (!serving::IsValidName(name)) {  // an alias is no network to load or unload
    return InvalidArgument("model_name: got " + Quote(name) + ", allowed " + std::string(serving::kNameRule));
  }
  return name;
}

Result<std::optional<NetworkToLoad>> TakeNetworkFile(inference::RepositoryModelLoadRequest& message) {
  const std::string& model = message.model_name().empty() ? message.repository_name() : message.model_name();
  std::optional<NetworkToLoad> network;
  for (auto& [key, value] : *message.mutable_parameters()) {
    if (key == "config") {
      if (Status status = CheckConfig(value, model); !status.ok()) {
        return status;
      }
      continue;
    }
    if (!key.starts_with(kFile)) {
      return InvalidArgument("parameters: got " + Quote(key) + kAllowed);
    }
    if (network) {
      return InvalidArgument("parameters: got two files, allowed one");
    }
    auto decoded = Decode(key, value);
    if (!decoded.ok()) {
      return decoded.status();
    }
    network = std::move(decoded).value();
  }
  return network;
}

Status CheckUnloadParameters(const inference::RepositoryModelUnloadRequest& message) {
  for (const auto& [name, value] : message.parameters()) {
    if (name != "unload_dependents") {  // of which there are none
      return InvalidArgument("parameters: got " + Quote(name) + ", allowed \"unload_dependents\"");
    }
  }
  return {};
}

}  // namespace spikeserve::rpc
