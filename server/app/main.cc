// spikeserve-server: reads flags, serves until SIGTERM or SIGINT, drains, exits 0. A second SIGTERM or SIGINT
// ends the drain.

#include <absl/synchronization/mutex.h>
#include <fcntl.h>
#include <grpc/support/log.h>
#include <spdlog/common.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "server/app/application.h"
#include "server/app/environment.h"
#include "server/app/flags.h"
#include "server/app/healthcheck.h"
#include "server/app/version.h"
#include "server/engine/make_backend.h"

namespace spikeserve::app {
namespace {

constexpr std::chrono::seconds kHealthcheckTimeout{5};
constexpr std::chrono::nanoseconds kSignalPoll = std::chrono::milliseconds(50);
constexpr std::chrono::milliseconds kSameWish{500};

int Fail(const Status& status) {
  std::fprintf(stderr, "spikeserve-server: %s\n", status.message().c_str());
  return 1;
}

// Every thread inherits the mask, so that only WaitForStop and HurryAtSignal see the signals.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of write()
  return signals;
}

// The signal that ends the server. SIGHUP, which a terminal that is closed sends as well, does not.
int WaitForStop(Application& application, const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0 || signal == SIGHUP) {
    application.Reload("SIGHUP");
  }
  return signal;
}

// Stops `hurry` once SIGTERM or SIGINT comes again. One that comes right after the first is the same wish:
// a terminal sends it to a program and to the server that the program has started, which then stops it.
void HurryAtSignal(std::stop_token stop, std::stop_source hurry) {
  const auto begin = std::chrono::steady_clock::now();
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  while (!stop.stop_requested()) {
    const timespec pause{0, kSignalPoll.count()};
    if (sigtimedwait(&signals, nullptr, &pause) > 0 &&
        std::chrono::steady_clock::now() - begin >= kSameWish) {
      hurry.request_stop();
    }
  }
}

// Until the application has drained, or is told again.
void Drain(Application& application, const Config& config, int signal, const rpc::EventLog& log) {
  DepartureTimes times{std::chrono::milliseconds(0), std::chrono::seconds(config.drain_seconds)};
  if (signal == SIGTERM) {  // from who runs servers; SIGINT is from who sits before one
    times.lame_duck = std::chrono::seconds(config.lame_duck_seconds);
  }
  log.Info("draining", {{"signal", std::int64_t{signal}},
                        {"lame_duck_seconds", std::int64_t{times.lame_duck.count() / 1000}},
                        {"seconds", config.drain_seconds}});
  std::stop_source hurry;
  const std::jthread again([hurry](std::stop_token stop) { HurryAtSignal(std::move(stop), hurry); });
  application.Drain(times, hurry.get_token());
}

// Where the process was started without stdin, stdout or stderr, the first files and connections that are
// opened would take their numbers, and what is logged would go into them.
void KeepStandardDescriptors() {
  int descriptor = 0;
  do {
    descriptor = open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor > STDERR_FILENO) {
    close(descriptor);
  }
}

// As many connections as the system allows: the usual soft limit is for programs that use select().
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return;
  }
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

// gRPC's own lines would break the format of the log; what matters of them is returned as a status.
void SilenceGrpc() {
  gpr_set_log_function([](gpr_log_func_args*) {});
}

void LogConfig(const rpc::EventLog& log, const Invocation& invocation, const engine::Backend& backend,
               const std::string& no_gpu_because) {
  log.Info("starting", {{"version", std::string(kVersion)}, {"backend", backend.name()}});
  if (const std::string device = backend.device_name(); !device.empty()) {
    log.Info("gpu", {{"device", device}, {"memory_bytes", backend.memory_bytes()}});
  }
  if (!no_gpu_because.empty()) {
    log.Info("no_gpu", {{"message", no_gpu_because}});
  }
  for (const auto& [flag, value] : invocation.effective) {
    log.Info("config", {{"flag", flag}, {"value", value}});
  }
  for (const StrangeVariable& variable : StrangeVariables(ThisEnvironment(), invocation.variables)) {
    log.Warn("variable_unknown",
             {{"variable", variable.name}, {"message", "is no flag's; the nearest is " + variable.nearest}});
  }
}

// The lines that programs wait for, on stdout.
void Announce(const Application& application) {
  if (!application.metrics_address().empty()) {
    std::printf("metrics on %s\n", application.metrics_address().c_str());
  }
  if (!application.http_address().empty()) {
    std::printf("http on %s\n", application.http_address().c_str());
  }
  std::printf("listening on %s\n", application.address().c_str());
  std::fflush(stdout);
}

// Until it is stopped. What it answers is to be told after the log, which is written by then.
Status Serve(const Invocation& invocation) {
  const sigset_t signals = BlockSignals();
  RaiseFileLimit();
  SilenceGrpc();
  const Config& config = invocation.config;
  const rpc::EventLog log(config.log_format, spdlog::level::from_str(config.log_level));
  std::string no_gpu_because;
  auto backend = engine::MakeBackend(config.backend, &no_gpu_because);
  if (!backend.ok()) {
    return backend.status();
  }
  LogConfig(log, invocation, *backend.value(), no_gpu_because);
  auto application = Application::Start(config, std::move(backend).value(), log);
  if (!application.ok()) {
    return application.status();
  }
  log.Info("listening", {{"address", application.value()->address()},
                         {"http", application.value()->http_address()},
                         {"metrics", application.value()->metrics_address()}});
  Announce(*application.value());
  const int signal = WaitForStop(*application.value(), signals);
  Drain(*application.value(), config, signal, log);
  application.value().reset();
  log.Info("stopped", {});
  return {};
}

int Run(int argc, const char* const* argv) {
  KeepStandardDescriptors();
  const Invocation invocation = ParseFlags(argc, argv);
  if (invocation.exit_code) {
    std::fputs(invocation.text.c_str(), *invocation.exit_code == 0 ? stdout : stderr);
    return *invocation.exit_code;
  }
  if (!invocation.healthcheck.empty()) {
    SilenceGrpc();
  }
  const Status status = invocation.healthcheck.empty()
                            ? Serve(invocation)
                            : CheckHealth(invocation.healthcheck, invocation.config.tls, kHealthcheckTimeout);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace spikeserve::app

int main(int argc, char** argv) {
  // The distribution builds absl with checks of the order of locks, which take a sixth of the time of a call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  try {
    return spikeserve::app::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "spikeserve-server: %s\n", error.what());
    return 1;
  }
}
