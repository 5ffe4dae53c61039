#include "server/app/application.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "server/app/connection_limits.h"
#include "server/app/credentials.h"
#include "server/app/machine_memory.h"
#include "server/app/version.h"
#include "server/rpc/decode/decode_network.h"

namespace spikeserve::app {
namespace {

// For HTTP clients to take answers that were ready when the server was told to end.
constexpr std::chrono::seconds kAnswerPatience{5};
constexpr std::size_t kMaxLoggedPath = 256;

// Most of what a network or a run takes lies on the device and on the host, at different times.
std::int64_t BudgetBytes(const Config& config, const engine::Backend& backend) {
  if (config.memory_budget_bytes > 0) {
    return config.memory_budget_bytes;
  }
  const std::int64_t device = backend.memory_bytes();
  const std::int64_t machine = MachineMemoryBytes();
  return (device > 0 ? std::min(device, machine) : machine) / 4 * 3;
}

serving::LoaderContext MakeLoaderContext(serving::NetworkRegistry& registry, serving::MemoryBudget& budget,
                                         const engine::Backend& backend,
                                         const std::optional<serving::NetworkRepository>& repository,
                                         const rpc::Limits& limits) {
  return {registry,
          budget,
          backend,
          repository ? &*repository : nullptr,
          [limits, &budget](std::string_view bytes) { return rpc::DecodeNetwork(bytes, limits, budget); },
          limits.network,
          limits.max_upload_bytes};
}

Result<std::optional<serving::NetworkRepository>> OpenRepository(const std::string& directory) {
  if (directory.empty()) {
    return std::optional<serving::NetworkRepository>();
  }
  auto repository = serving::NetworkRepository::Open(directory);
  if (!repository.ok()) {
    return repository.status();
  }
  return std::optional(std::move(repository).value());
}

serving::BatcherOptions Batching(const Config& config, const engine::Backend& backend) {
  serving::BatcherOptions options = config.batching;
  options.servers = config.workers * backend.device_count();
  const std::int64_t threads =
      config.backend.threads > 0 ? config.backend.threads : std::thread::hardware_concurrency();
  // A device with memory of its own takes few samples no sooner than many.
  options.min_samples = backend.memory_bytes() > 0 ? options.max_batch : std::max<std::int64_t>(threads, 1);
  return options;
}

// HOST of HOST:PORT with another port.
std::string WithPort(const std::string& address, int port) {
  return address.substr(0, address.rfind(':') + 1) + std::to_string(port);
}

}  // namespace

Application::Application(const Config& config, std::unique_ptr<engine::Backend> backend,
                         const rpc::Tokens& tokens, std::optional<serving::NetworkRepository> repository,
                         const rpc::EventLog& log)
    : config_(config),
      log_(log),
      backend_(std::move(backend)),
      budget_(BudgetBytes(config, *backend_)),
      metrics_(kVersion, backend_->name()),
      authorizer_(tokens),
      call_watch_(std::chrono::seconds(config.limits.write_idle_seconds), clock_),
      repository_(std::move(repository)),
      registry_([this](const std::string& name, bool ready) { health_.SetNetwork(name, ready); }),
      loader_(MakeLoaderContext(registry_, budget_, *backend_, repository_, config.limits)),
      batcher_(Batching(config, *backend_), clock_),
      context_{registry_,
               loader_,
               batcher_,
               budget_,
               tasks_,
               metrics_,
               clock_,
               log_,
               authorizer_,
               call_watch_,
               config.limits,
               kVersion,
               [this] { return Ready(); }} {
  metrics_.SetGaugeSource([this] { return ReadGauges(); });
  for (std::int64_t i = 0; i < config.workers * backend_->device_count(); ++i) {
    workers_.push_back(std::make_unique<serving::Worker>(
        batcher_, serving::RunContext{budget_, clock_, engine::kMaxChunkSteps,
                                      [this](const serving::RunRecord& record) {
                                        metrics_.CountRun(record);
                                        CheckDevice();
                                      }}));
  }
}

Result<std::unique_ptr<Application>> Application::Start(const Config& config,
                                                        std::unique_ptr<engine::Backend> backend,
                                                        const rpc::EventLog& log) {
  auto tls = ReadTlsTexts(config.tls);
  if (!tls.ok()) {
    return tls.status();
  }
  const auto tokens = ReadTokens(config);
  if (!tokens.ok()) {
    return tokens.status();
  }
  auto repository = OpenRepository(config.network_repository);
  if (!repository.ok()) {
    return repository.status();
  }
  std::unique_ptr<Application> self(
      new Application(config, std::move(backend), tokens.value(), std::move(repository).value(), log));
  if (Status status = self->StartMetrics(config.metrics_listen); !status.ok()) {
    return status;
  }
  self->LoadStored();
  self->health_.SetServer(true);
  self->CheckDevice();
  auto server = rpc::RpcServer::Start(self->context_, self->health_, self->MakeRpcOptions(tls.value()));
  if (!server.ok()) {
    return server.status();
  }
  self->server_ = std::move(server).value();
  self->started_ = self->server_.get();
  if (Status status = self->StartRest(HttpTls(tls.value())); !status.ok()) {
    return status;
  }
  return self;
}

rpc::RpcServerOptions Application::MakeRpcOptions(std::optional<transport::TlsTexts> tls) const {
  const auto on_offence = [this](const transport::Offence& offence) {
    if (offence.jailed.count() > 0) {
      log_.Warn("connection_closed", {{"address", offence.peer},
                                      {"rule", offence.rule},
                                      {"refused_seconds", std::int64_t{offence.jailed.count()}}});
    }
  };
  return {{config_.listen, ConnectionLimits(config_, MaxOpenFiles()), IsGuarded(config_), std::move(tls),
           on_offence},
          config_.max_streams,
          config_.max_transport_bytes,
          std::chrono::seconds(config_.max_connection_age_seconds),
          std::chrono::seconds(config_.drain_seconds)};
}

Application::~Application() {
  Drain(std::chrono::seconds(0));
  metrics_server_.reset();  // it reads from the others
}

void Application::Drain(std::chrono::seconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  health_.SetServer(false);
  batcher_.Close();
  if (rest_) {
    rest_->Close();
    rest_->WaitIdle(deadline);
  }
  if (server_) {
    server_->Shutdown(std::chrono::system_clock::now() + (deadline - std::chrono::steady_clock::now()));
  }
  if (rest_) {  // its calls have ended with that server; their answers may still be on their way
    rest_->Stop(std::chrono::steady_clock::now() + kAnswerPatience);
    rest_.reset();
  }
  workers_.clear();
  batcher_.FailQueued(Unavailable("the server is shutting down"));
}

Status Application::StartMetrics(const std::string& address) {
  if (address.empty() || address == "none") {
    return {};
  }
  auto server = serving::MetricsServer::Start(address, metrics_, [this] { return Ready(); });
  if (!server.ok()) {
    return server.status();
  }
  metrics_server_ = std::move(server).value();
  metrics_address_ = WithPort(address, metrics_server_->port());
  return {};
}

bool Application::Ready() {
  CheckDevice();
  return health_.server_ready();
}

Status Application::StartRest(std::optional<rest::TlsTexts> tls) {
  if (config_.http_listen.empty() || config_.http_listen == "none") {
    return {};
  }
  rest::HttpOptions options{config_.http_listen,
                            static_cast<int>(config_.http_threads),
                            static_cast<int>(config_.http_connections),
                            std::chrono::seconds(config_.http_timeout_seconds),
                            config_.limits.max_message_bytes,
                            std::move(tls),
                            [this](const rest::HttpHead& head, const rest::HttpResponse& refusal) {
                              log_.Info("http_refused", {{"method", head.method},
                                                         {"path", head.target.substr(0, kMaxLoggedPath)},
                                                         {"status", std::int64_t{refusal.status}},
                                                         {"message", refusal.error}});
                            }};
  auto server = rest::RestServer::Start(
      options, server_->InProcessChannel(), budget_, [this](std::string_view authorization, bool admin) {
        return authorizer_.Check(authorization, admin ? rpc::Scope::kAdmin : rpc::Scope::kUse);
      });
  if (!server.ok()) {
    return server.status();
  }
  rest_ = std::move(server).value();
  return {};
}

void Application::LoadStored() {
  if (!repository_) {
    return;
  }
  for (const serving::StoredVersion& stored : repository_->List()) {
    const auto handle = loader_.LoadStored(stored);
    if (handle.ok()) {
      log_.Info("network_loaded", {{"network", stored.name}, {"version", stored.version}});
    } else {
      log_.Error(
          "network_skipped",
          {{"network", stored.name}, {"version", stored.version}, {"message", handle.status().message()}});
    }
  }
}

void Application::CheckDevice() {
  const Status health = backend_->Health();
  if (health.ok() || device_lost_.exchange(true)) {
    return;
  }
  log_.Error("device_lost", {{"message", health.message()}});
  health_.SetServer(false);
}

serving::Gauges Application::ReadGauges() const {
  serving::Gauges gauges{batcher_.queued_samples(), 0, 0, budget_.used_bytes(), budget_.limit_bytes(), {}};
  if (const rpc::RpcServer* server = started_; server != nullptr) {
    transport::TransportCounts counts = server->transport_counts();
    gauges.connections = {counts.connections, std::move(counts.refused), std::move(counts.pauses),
                          std::move(counts.closes)};
  }
  for (const serving::NetworkListing& listing : registry_.List()) {
    if (listing.state != serving::NetworkState::kReady || !listing.handle) {
      continue;
    }
    ++gauges.networks_ready;
    gauges.resident_bytes += listing.handle->resident->bytes();
  }
  return gauges;
}

}  // namespace spikeserve::app
