#include "server/app/application.h"

#include <algorithm>
#include <utility>

#include "server/app/connection_limits.h"
#include "server/app/credentials.h"
#include "server/app/machine_memory.h"
#include "server/app/network_store.h"
#include "server/app/status_report.h"
#include "server/app/version.h"
#include "server/base/cores.h"
#include "server/rpc/decode/decode_network.h"

namespace spikeserve::app {
namespace {

// For HTTP clients to take answers that were ready when the server was told to end.
constexpr std::chrono::seconds kAnswerPatience{5};
// Between two looks at the files of tokens, quotas and certificates.
constexpr std::chrono::milliseconds kFilePeriod{1'000};
constexpr std::size_t kMaxLoggedPath = 256;

serving::LoaderContext MakeLoaderContext(serving::NetworkRegistry& registry, serving::MemoryBudget& budget,
                                         const engine::Backend& backend,
                                         const std::optional<serving::NetworkRepository>& repository,
                                         const serving::Aliases& aliases, const Config& config) {
  const rpc::Limits& limits = config.limits;
  return {registry,
          budget,
          backend,
          repository ? &*repository : nullptr,
          [limits, &budget](std::string_view bytes) { return rpc::DecodeNetwork(bytes, limits, budget); },
          limits.network,
          limits.max_upload_bytes,
          &aliases,
          config.residency.on_demand,
          config.repository_poll_seconds > 0};
}

// To the collector, if there is one.
Result<std::unique_ptr<rpc::SpanExporter>> StartSpans(const std::string& endpoint) {
  if (endpoint.empty()) {
    return std::unique_ptr<rpc::SpanExporter>();
  }
  return rpc::SpanExporter::Start(
      endpoint, {{"service.name", std::string("spikeserve")}, {"service.version", std::string(kVersion)}});
}

serving::ResidencyOptions Residing(const Config& config) {
  serving::ResidencyOptions options = config.residency;
  options.cache_bytes = config.response_cache_bytes;
  return options;
}

serving::BatcherOptions Batching(const Config& config, const engine::Backend& backend) {
  serving::BatcherOptions options = config.batching;
  options.servers = config.workers * backend.device_count();
  const std::int64_t threads = config.backend.threads > 0 ? config.backend.threads : UsableCores();
  // A device with memory of its own takes few samples no sooner than many.
  options.min_samples = backend.memory_bytes() > 0 ? options.max_batch : threads;
  return options;
}

// None, where nothing is to be kept.
std::unique_ptr<serving::Answers> MakeAnswers(std::int64_t bytes, serving::Batcher& batcher,
                                              const Clock& clock, const serving::NetworkRegistry& registry) {
  if (bytes == 0) {
    return nullptr;
  }
  return std::make_unique<serving::Answers>(bytes, batcher, clock,
                                            [&registry](const serving::AnswerOrigin& network) {
                                              const auto now = registry.Get(network.name, network.version);
                                              return now.ok() && now.value()->instance == network.instance;
                                            });
}

}  // namespace

Application::Application(const Config& config, std::unique_ptr<engine::Backend> backend, const Access& access,
                         std::optional<serving::NetworkRepository> repository,
                         std::unique_ptr<rpc::SpanExporter> spans, const rpc::EventLog& log)
    : config_(config),
      log_(log),
      backend_(std::move(backend)),
      budget_(BudgetBytes(config, *backend_)),
      metrics_(kVersion, backend_->name(), config.metrics_networks),
      access_metrics_(metrics_.registry()),
      repository_metrics_(metrics_.registry()),
      gpus_(backend_->name() == "cuda" ? engine::GpuMonitor::Open() : nullptr),
      spans_(std::move(spans)),
      authorizer_(access.callers.tokens, access.callers.quotas),
      call_log_(log, clock_, {config.log_sample_rate, config.trace_sample_rate}, spans_.get()),
      gate_(clock_),
      call_watch_(std::chrono::seconds(config.limits.write_idle_seconds), clock_),
      repository_(std::move(repository)),
      registry_([this](const std::string& name, bool ready) {
        health_.SetNetwork(name, ready);
        if (answers_) {
          answers_->DropUnloaded(name);
        }
      }),
      aliases_(registry_, repository_ ? &*repository_ : nullptr),
      loader_(MakeLoaderContext(registry_, budget_, *backend_, repository_, aliases_, config)),
      residency_({registry_, loader_, budget_, tasks_, aliases_, clock_,
                  [this](const serving::ResidencyNews& news) { TellOfNetwork(news, metrics_, log_); }},
                 Residing(config)),
      batcher_(Batching(config, *backend_), clock_),
      answers_(MakeAnswers(config.response_cache_bytes, batcher_, clock_, registry_)),
      context_{registry_,   loader_, residency_,  aliases_,      batcher_, answers_.get(),
               budget_,     tasks_,  metrics_,    clock_,        log_,     call_log_,
               authorizer_, gate_,   call_watch_, config.limits, kVersion, [this] { return Ready(); }} {
  metrics_.SetGaugeSource([this] { return ReadGauges(); });
  reloader_ = std::make_unique<Reloader>(
      config_, access,
      Reloader::Uses{authorizer_, access_metrics_, log_,
                     [this](const transport::TlsTexts& texts) { return SetTls(texts); }});
  if (access.tls) {
    ReportDates(access.dates, access_metrics_, log_);
  }
  if (repository_ && config.repository_poll_seconds > 0) {
    watch_ = std::make_unique<serving::RepositoryWatch>(
        *repository_, loader_, aliases_, tasks_, [this](const serving::StoreEvent& event) {
          LogStoreEvent(event, log_);
          if (event.kind == serving::StoreEvent::Kind::kLoaded ||
              event.kind == serving::StoreEvent::Kind::kExchanged) {
            residency_.LoadPinned(event.version);
          }
        });
  }
  MakeWorkers();
}

void Application::MakeWorkers() {
  const auto count = [this](const serving::RunRecord& run) { metrics_.CountRun(run), CheckDevice(); };
  const serving::RunContext running{budget_, clock_, engine::kMaxChunkSteps, count};
  const auto& batching = batcher_.options();
  if (backend_->memory_bytes() == 0) {  // no device that works at the side of whoever waits for it
    batcher_.RunShortOnes(running, std::max(batching.servers, batching.min_samples));
  }
  for (std::int64_t i = 0; i < batching.servers; ++i) {
    workers_.push_back(std::make_unique<serving::Worker>(batcher_, running));
  }
}

Result<std::unique_ptr<Application>> Application::Start(const Config& config,
                                                        std::unique_ptr<engine::Backend> backend,
                                                        const rpc::EventLog& log) {
  const auto access = ReadAccess(config);
  if (!access.ok()) {
    return access.status();
  }
  WarnOfPlainTokens(config, access.value(), log);
  auto repository = OpenRepository(config, log);
  if (!repository.ok()) {
    return repository.status();
  }
  auto spans = StartSpans(config.trace_endpoint);
  if (!spans.ok()) {
    return spans.status();
  }
  std::unique_ptr<Application> self(new Application(config, std::move(backend), access.value(),
                                                    std::move(repository).value(), std::move(spans).value(),
                                                    log));
  if (Status status = self->ReserveCache(); !status.ok()) {
    return status;
  }
  if (Status status = self->StartMetrics(config.metrics_listen); !status.ok()) {
    return status;
  }
  self->LoadNetworks();
  self->health_.SetServer(true);
  self->CheckDevice();
  const std::optional<transport::TlsTexts>& tls = access.value().tls;
  auto server = rpc::RpcServer::Start(self->context_, self->health_, self->MakeRpcOptions(tls));
  if (!server.ok()) {
    return server.status();
  }
  self->server_ = std::move(server).value();
  self->serving_ = self->server_.get();
  if (Status status = self->StartRest(HttpTls(tls)); !status.ok()) {
    return status;
  }
  self->reloader_->Watch(kFilePeriod);
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
  Drain({});
  metrics_server_.reset();  // it reads from the others
}

void Application::Drain(const DepartureTimes& times, const std::stop_token& hurry) {
  reloader_->StopWatching();
  if (server_ && !std::exchange(drained_, true)) {
    Departure({health_, gate_, batcher_, *server_, rest_.get(), clock_, log_}, times, hurry).Run();
    server_->Shutdown(std::chrono::system_clock::now());
  }
  if (watch_) {  // after the calls: a disk that does not answer holds up nobody who waits for one
    watch_->Stop();
  }
  batcher_.Close();
  if (rest_) {  // its calls have ended with that server; their answers may still be on their way
    rest_->Stop(std::chrono::steady_clock::now() + kAnswerPatience, hurry);
    rest_.reset();
  }
  residency_.Stop();
  workers_.clear();
  batcher_.FailQueued(Unavailable("the server is shutting down"));
}

// All of it, as it fills by and by, and is not to be short of memory then.
Status Application::ReserveCache() {
  auto reservation = budget_.Reserve(config_.response_cache_bytes, "the response cache");
  if (!reservation.ok()) {
    return {reservation.status().code(), "--response-cache-mb: " + reservation.status().message()};
  }
  cache_bytes_ = std::move(reservation).value();
  return {};
}

Status Application::StartMetrics(const std::string& address) {
  if (address.empty() || address == "none") {
    return {};
  }
  auto server = serving::MetricsServer::Start(address, metrics_,
                                              {[this] { return Ready(); }, [this] { return ReadStatus(); }});
  if (!server.ok()) {
    return server.status();
  }
  metrics_server_ = std::move(server).value();
  return {};
}

bool Application::Ready() {
  CheckDevice();
  return health_.server_ready();
}

Status Application::StartRest(std::optional<http::TlsTexts> tls) {
  if (config_.http_listen.empty() || config_.http_listen == "none") {
    return {};
  }
  const http::Options options{.address = config_.http_listen,
                              .listen_flag = "--http-listen",
                              .threads = static_cast<int>(config_.http_threads),
                              .max_connections = static_cast<int>(config_.http_connections),
                              .connections = http_connections_,
                              .timeout = std::chrono::seconds(config_.http_timeout_seconds),
                              .timeout_flag = "--http-timeout-seconds",
                              .max_body_bytes = config_.limits.max_message_bytes,
                              .tls = std::move(tls),
                              .on_refusal = [this](const http::Head& head, const http::Response& refusal) {
                                log_.Info("http_refused", {{"request_id", refusal.request_id},
                                                           {"method", head.method},
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

Status Application::SetTls(const transport::TlsTexts& texts) {
  if (Status status = server_->SetTls(texts); !status.ok()) {
    return status;
  }
  return rest_ ? rest_->SetTls(*HttpTls(texts)) : Status();
}

void Application::LoadNetworks() {
  if (!repository_) {
    return;
  }
  WarnOfStrangers(*repository_, log_);
  for (const auto& [name, status] : aliases_.ReadStored()) {
    log_.Error("aliases_skipped", {{"network", name}, {"message", status.message()}});
  }
  if (watch_) {
    watch_->Look();
  } else {
    LoadStored(*repository_, loader_, log_);
  }
  for (const auto& [stored, status] : residency_.Fill()) {
    log_.Error("network_not_resident",
               {{"network", stored.name}, {"version", stored.version}, {"message", status.message()}});
  }
  WarnOfUnknownPins(config_.residency.pins, registry_, log_);
  if (watch_) {
    watch_->Start(std::chrono::seconds(config_.repository_poll_seconds));
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

std::set<std::string> Application::ShowTenants() {
  const std::shared_ptr<const rpc::Callers> callers = authorizer_.Now();  // outlives the loop
  std::vector<serving::TenantReading> readings;
  std::set<std::string> names;
  for (const auto& [name, tenant] : callers->tenants()) {
    readings.push_back({name, tenant->usage(), loader_.shares().Of(name)});
    names.insert(name);
  }
  access_metrics_.Show(readings);
  return names;
}

std::optional<serving::RepositoryReading> Application::ShowRepository() {
  if (!repository_) {
    return std::nullopt;
  }
  serving::RepositoryReading reading = ReadRepository(*repository_, watch_.get());
  repository_metrics_.Show(reading);
  return reading;
}

serving::Gauges Application::ReadGauges() {
  ShowRepository();
  serving::Gauges gauges{.queued_samples = batcher_.queued_samples(),
                         .queued_work_s = batcher_.queued_seconds(),
                         .networks_ready = 0,
                         .networks_stored = 0,
                         .resident_bytes = 0,
                         .memory_used_bytes = budget_.used_bytes(),
                         .memory_limit_bytes = budget_.limit_bytes(),
                         .log_lines_lost = log_.lost_lines(),
                         .spans_sent = spans_ ? spans_->sent() : 0,
                         .spans_lost = spans_ ? spans_->lost() : 0,
                         .http_connections = *http_connections_,
                         .network_names = {},
                         .gpus = {},
                         .connections = {},
                         .answers = answers_ ? std::optional(answers_->counts()) : std::nullopt,
                         .tenant_names = ShowTenants()};
  if (const rpc::RpcServer* server = serving_; server != nullptr) {
    transport::TransportCounts counts = server->transport_counts();
    gauges.connections = {counts.connections, std::move(counts.refused), std::move(counts.pauses),
                          std::move(counts.closes)};
  }
  for (const serving::NetworkListing& listing : registry_.List()) {
    if (!listing.handle || listing.state == serving::NetworkState::kUnloading) {
      continue;
    }
    gauges.network_names.insert(listing.name);
    ++(listing.handle->resident ? gauges.networks_ready : gauges.networks_stored);
    gauges.resident_bytes += listing.handle->resident_bytes();
  }
  for (const engine::GpuUse& gpu : gpus_ ? gpus_->Read() : std::vector<engine::GpuUse>()) {
    gauges.gpus.push_back(
        {gpu.id, gpu.utilization.value_or(-1), gpu.memory_used_bytes, gpu.memory_total_bytes});
  }
  return gauges;
}

serving::StatusPage Application::ReadStatus() {
  return MakeStatus({.config = config_,
                     .backend = *backend_,
                     .ready = Ready(),
                     .uptime_s = std::chrono::duration<double>(clock_.Now() - started_).count(),
                     .gauges = ReadGauges(),
                     .calls = metrics_.in_flight(),
                     .networks = registry_.List(),
                     .aliases = aliases_,
                     .repository = ShowRepository(),
                     .failures = call_log_.failures()});
}

}  // namespace spikeserve::app
