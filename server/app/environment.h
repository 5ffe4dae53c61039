#pragma once

#include <string>
#include <vector>

namespace spikeserve::app {

// The variable of a flag: --max-batch -> SPIKESERVE_MAX_BATCH.
std::string EnvironmentName(const std::string& flag);

// A variable that is set and has the name of one of this server's, but for a slip of the pen.
struct StrangeVariable {
  std::string name;
  std::string nearest;  // of those that are known
};

// Those among `environment`, NAME=VALUE each, which begin as this server's variables do and are neither among
// `known` nor the client's, nor what Kubernetes sets in every pod for a service of a name like this server's.
std::vector<StrangeVariable> StrangeVariables(const std::vector<std::string>& environment,
                                              const std::vector<std::string>& known);

// NAME=VALUE of this process.
std::vector<std::string> ThisEnvironment();

}  // namespace spikeserve::app
