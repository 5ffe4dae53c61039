#pragma once

#include <grpcpp/health_check_service_interface.h>

#include <cstddef>
#include <map>
#include <string>

#include "server/base/mutex.h"

namespace spikeserve::rpc {

// Tells grpc.health.v1 which networks can be used, under their names, and under "" whether the server can.
// Remembers what was said before the server listens. gRPC forgets no name once told, so an unloaded network
// stays NOT_SERVING, and only the first kMaxNames names are told. Thread-safe.
class HealthReporter {
 public:
  static constexpr std::size_t kMaxNames = 4096;

  // Passes on everything known and from now on everything new, until Detach.
  void Attach(grpc::HealthCheckServiceInterface& service);
  void Detach();
  // The server goes away: everything is NOT_SERVING, for good. Watchers are told at once.
  void Leave();

  void SetNetwork(const std::string& name, bool ready);
  void SetServer(bool ready) { SetNetwork("", ready); }
  bool server_ready() const;

 private:
  mutable Mutex mu_;
  grpc::HealthCheckServiceInterface* service_ SPIKESERVE_GUARDED_BY(mu_) = nullptr;
  bool leaving_ SPIKESERVE_GUARDED_BY(mu_) = false;
  std::map<std::string, bool> ready_ SPIKESERVE_GUARDED_BY(mu_) = {{"", false}};
};

}  // namespace spikeserve::rpc
