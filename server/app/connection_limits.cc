#include "server/app/connection_limits.h"

#include <sys/resource.h>

#include <algorithm>

#include "server/transport/listen_address.h"

namespace spikeserve::app {
namespace {

// Of libraries, devices, files of networks and logs.
constexpr std::int64_t kReservedFiles = 128;
// A relayed connection has its socket and a pair of sockets towards gRPC.
constexpr std::int64_t kFilesAConnection = 3;
constexpr std::int64_t kMaxConnections = 8'192;
// Room for the clients behind one translated address, and few enough that one address cannot keep all busy.
constexpr std::int64_t kMaxPerAddress = 128;
constexpr std::int64_t kMinConnections = 16;

}  // namespace

transport::AdmissionOptions ConnectionLimits(const Config& config, std::int64_t open_files) {
  std::int64_t total = config.grpc_connections;
  if (total == 0) {
    const std::int64_t http = std::min(config.http_connections, open_files / 4);
    total = std::clamp((open_files - kReservedFiles - http) / kFilesAConnection, kMinConnections,
                       kMaxConnections);
  }
  std::int64_t each = config.grpc_connections_per_address;
  if (each == 0) {
    each = kMaxPerAddress;
  }
  transport::AdmissionOptions options;
  options.max_connections = static_cast<int>(total);
  options.max_per_address = static_cast<int>(std::min(each, total));
  return options;
}

bool IsGuarded(const Config& config) {
  if (config.guard != "auto") {
    return config.guard == "on";
  }
  const auto address = transport::ParseListenAddress(config.listen);
  return address.ok() && !address.value().loopback();
}

std::int64_t MaxOpenFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::int64_t{1} << 20;
  }
  return static_cast<std::int64_t>(limit.rlim_cur);
}

}  // namespace spikeserve::app
