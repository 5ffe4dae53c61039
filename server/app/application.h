#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "server/app/config.h"
#include "server/app/credentials.h"
#include "server/app/departure.h"
#include "server/app/reloader.h"
#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/engine/gpu_monitor.h"
#include "server/engine/run/backend.h"
#include "server/rest/rest_server.h"
#include "server/rpc/access/authorizer.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_log.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/health_reporter.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/trace/span_exporter.h"
#include "server/serving/answers/answers.h"
#include "server/serving/memory_budget.h"
#include "server/serving/metrics/access_metrics.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/metrics/metrics_server.h"
#include "server/serving/metrics/repository_metrics.h"
#include "server/serving/networks/aliases.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/networks/network_repository.h"
#include "server/serving/requests/batcher.h"
#include "server/serving/requests/worker.h"
#include "server/serving/store/repository_watch.h"
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
  std::string metrics_address() const { return metrics_server_ ? metrics_server_->address() : std::string(); }
  // Of the Open Inference Protocol over HTTP; empty where there is none.
  std::string http_address() const { return rest_ ? rest_->address() : std::string(); }

  // Puts the files of tokens, quotas and certificates into use again; what cannot be used is logged, and what
  // was in use stays. Connections and calls go on.
  void Reload(const std::string& reason) { reloader_->Reload(reason); }

  // Takes nothing new, lets what runs finish for a time, then ends it. A stop of `hurry` ends all waiting. No
  // effect after the first time.
  void Drain(const DepartureTimes& times, const std::stop_token& hurry = {});

  // For tests: what is held, and what waits.
  const serving::MemoryBudget& budget() const { return budget_; }
  const serving::Batcher& batcher() const { return batcher_; }
  const serving::NetworkRegistry& registry() const { return registry_; }
  // Of the response cache, which there must be.
  serving::AnswerCounts answer_counts() const { return answers_->counts(); }

 private:
  Application(const Config& config, std::unique_ptr<engine::Backend> backend, const Access& access,
              std::optional<serving::NetworkRepository> repository, std::unique_ptr<rpc::SpanExporter> spans,
              const rpc::EventLog& log);

  void MakeWorkers();
  rpc::RpcServerOptions MakeRpcOptions(std::optional<transport::TlsTexts> tls) const;
  Status ReserveCache();
  Status StartMetrics(const std::string& address);
  Status StartRest(std::optional<http::TlsTexts> tls);
  // For connections from now on.
  Status SetTls(const transport::TlsTexts& texts);
  // At the start; from then on as others store and delete them, where that is asked for.
  void LoadNetworks();
  // Takes the server out of service, for good, once the device is broken.
  void CheckDevice();
  bool Ready();
  serving::Gauges ReadGauges();
  // Their names.
  std::set<std::string> ShowTenants();
  std::optional<serving::RepositoryReading> ShowRepository();
  serving::StatusPage ReadStatus();

  // In the order in which they need one another; destroyed the other way round.
  const Config config_;
  const rpc::EventLog& log_;
  const SteadyClock clock_;
  const Clock::TimePoint started_ = clock_.Now();
  const std::unique_ptr<engine::Backend> backend_;
  serving::MemoryBudget budget_;
  rpc::HealthReporter health_;
  serving::Metrics metrics_;
  serving::AccessMetrics access_metrics_;
  serving::RepositoryMetrics repository_metrics_;
  const std::unique_ptr<engine::GpuMonitor> gpus_;  // null: none is asked
  const std::unique_ptr<rpc::SpanExporter> spans_;  // null: no traces
  const std::shared_ptr<std::atomic<int>> http_connections_ = std::make_shared<std::atomic<int>>(0);
  rpc::Authorizer authorizer_;
  rpc::CallLog call_log_;
  rpc::CallGate gate_;
  rpc::CallWatch call_watch_;
  const std::optional<serving::NetworkRepository> repository_;
  serving::NetworkRegistry registry_;
  serving::Aliases aliases_;
  const serving::NetworkLoader loader_;
  serving::Residency residency_;
  serving::Batcher batcher_;
  serving::MemoryBudget::Reservation cache_bytes_;   // of the answers that are kept
  const std::unique_ptr<serving::Answers> answers_;  // null: none are
  serving::TaskThread tasks_;
  std::atomic<bool> device_lost_ = false;
  const rpc::ServiceContext context_;
  std::unique_ptr<serving::RepositoryWatch> watch_;  // null: nobody polls
  std::vector<std::unique_ptr<serving::Worker>> workers_;
  std::unique_ptr<serving::MetricsServer> metrics_server_;
  std::unique_ptr<rpc::RpcServer> server_;
  std::atomic<const rpc::RpcServer*> serving_ = nullptr;  // the same, for the thread of the metrics
  bool drained_ = false;
  std::unique_ptr<rest::RestServer> rest_;  // calls the one before
  std::unique_ptr<Reloader> reloader_;
};

}  // namespace spikeserve::app
