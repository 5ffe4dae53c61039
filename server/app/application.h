#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/app/config.h"
#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/engine/run/backend.h"
#include "server/rest/rest_server.h"
#include "server/rpc/context/authorizer.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/health_reporter.h"
#include "server/rpc/rpc_server.h"
#include "server/serving/memory_budget.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/metrics/metrics_server.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/networks/network_repository.h"
#include "server/serving/requests/batcher.h"
#include "server/serving/requests/worker.h"
#include "server/serving/task_thread.h"
#include "server/transport/transport_options.h"

namespace spikeserve::app {

// The whole server in one object: parts made from a Config and put together. Start and Drain by one thread;
// the parts serve from their own.
class Application {
 public:
  // Listens once the stored networks are loaded; one that cannot be loaded is logged and skipped. `log`
  // outlives the application.
  static Result<std::unique_ptr<Application>> Start(const Config& config,
                                                    std::unique_ptr<engine::Backend> backend,
                                                    const rpc::EventLog& log);
  ~Application();

  const std::string& address() const { return server_->address(); }
  // Of /metrics; empty where there is none.
  const std::string& metrics_address() const { return metrics_address_; }
  // Of the Open Inference Protocol over HTTP; empty where there is none.
  std::string http_address() const { return rest_ ? rest_->address() : std::string(); }

  // Takes nothing new, lets what runs finish for up to `patience`, then cancels it.
  void Drain(std::chrono::seconds patience);

  // For tests: what is held, and what waits.
  const serving::MemoryBudget& budget() const { return budget_; }
  const serving::Batcher& batcher() const { return batcher_; }
  const serving::NetworkRegistry& registry() const { return registry_; }

 private:
  Application(const Config& config, std::unique_ptr<engine::Backend> backend, const rpc::Tokens& tokens,
              std::optional<serving::NetworkRepository> repository, const rpc::EventLog& log);

  rpc::RpcServerOptions MakeRpcOptions(std::optional<transport::TlsTexts> tls) const;
  Status StartMetrics(const std::string& address);
  Status StartRest(std::optional<rest::TlsTexts> tls);
  void LoadStored();
  // Takes the server out of service, for good, once the device is broken.
  void CheckDevice();
  bool Ready();
  serving::Gauges ReadGauges() const;

  // In the order in which they need one another; destroyed the other way round.
  const Config config_;
  const rpc::EventLog& log_;
  const SteadyClock clock_;
  const std::unique_ptr<engine::Backend> backend_;
  serving::MemoryBudget budget_;
  rpc::HealthReporter health_;
  serving::Metrics metrics_;
  const rpc::Authorizer authorizer_;
  rpc::CallWatch call_watch_;
  const std::optional<serving::NetworkRepository> repository_;
  serving::NetworkRegistry registry_;
  const serving::NetworkLoader loader_;
  serving::Batcher batcher_;
  serving::TaskThread tasks_;
  std::atomic<bool> device_lost_ = false;
  const rpc::ServiceContext context_;
  std::vector<std::unique_ptr<serving::Worker>> workers_;
  std::string metrics_address_;
  std::unique_ptr<serving::MetricsServer> metrics_server_;
  std::unique_ptr<rpc::RpcServer> server_;
  std::atomic<const rpc::RpcServer*> started_ = nullptr;  // the same, for the thread of the metrics
  std::unique_ptr<rest::RestServer> rest_;                // calls the one before
};

}  // namespace spikeserve::app
