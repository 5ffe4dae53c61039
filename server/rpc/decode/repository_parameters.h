#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "inference/grpc_service.pb.h"
#include "server/base/status.h"
#include "server/serving/networks/network_file.h"

namespace spikeserve::rpc {

// A network that a request brings along.
struct NetworkToLoad {
  std::int64_t version = 0;
  serving::NetworkFile file;
};

// The name of the model of a repository request: model_name, or repository_name, where KServe's clients put
// it. INVALID_ARGUMENT.
Result<std::string> RepositoryModel(const std::string& repository_name, const std::string& model_name);

// The file among the parameters of a load, checked against its own digest and taken out of them; nothing
// where there is none. INVALID_ARGUMENT: more than one file, a key that is not "file:VERSION/NAME", what is
// no .spk file, a configuration that asks for something, other parameters.
Result<std::optional<NetworkToLoad>> TakeNetworkFile(inference::RepositoryModelLoadRequest& message);

// INVALID_ARGUMENT where an unload asks for what there is not.
Status CheckUnloadParameters(const inference::RepositoryModelUnloadRequest& message);

}  // namespace spikeserve::rpc
