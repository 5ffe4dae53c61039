#include "server/app/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>

#include "server/app/environment.h"
#include "server/app/version.h"
#include "server/transport/listen_address.h"

namespace spikeserve::app {
namespace {

constexpr std::int64_t kMega = std::int64_t{1} << 20;
constexpr std::int64_t kKilo = std::int64_t{1} << 10;
constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
// Protobuf messages end below 2 GiB.
constexpr std::int64_t kMaxMessageMega = 2047;

// A port beyond 65,535 would be taken modulo 65,536 somewhere below.
std::string CheckPort(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (address.rfind("unix", 0) == 0 || address == "none") {
    return {};
  }
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c); });
  if (digits && std::stoi(port) <= 65535) {
    return {};
  }
  return "got " + address + ", wanted HOST:PORT with a port of 0 to 65535";
}

std::string CheckListen(const std::string& address) {
  return transport::ParseListenAddress(address).status().message();
}

// Adds flags in groups, each with its environment variable and, where it is a number, its range.
class FlagSet {
 public:
  FlagSet(CLI::App& app, std::string group) : app_(app), group_(std::move(group)) {}

  CLI::Option* Text(const std::string& flag, std::string& value, const std::string& help) {
    return Finish(app_.add_option(flag, value, help), flag);
  }
  CLI::Option* Texts(const std::string& flag, std::vector<std::string>& values, const std::string& help) {
    return Finish(app_.add_option(flag, values, help)->delimiter(',')->allow_extra_args(false), flag);
  }
  template <typename T>
  CLI::Option* Number(const std::string& flag, T& value, std::int64_t low, std::int64_t high,
                      const std::string& help) {
    return Finish(app_.add_option(flag, value, help), flag)->check(CLI::Range(low, high));
  }
  // Of 0 to 1.
  void Share(const std::string& flag, double& value, const std::string& help) {
    Finish(app_.add_option(flag, value, help), flag)->check(CLI::Range(0.0, 1.0));
  }
  // `bytes` is in bytes, the flag in multiples of `unit`.
  void Size(const std::string& flag, std::int64_t& bytes, std::int64_t unit, std::int64_t low,
            std::int64_t high, const std::string& help) {
    CLI::Option* option = app_.add_option_function<std::int64_t>(
        flag, [&bytes, unit](const std::int64_t& value) { bytes = value * unit; }, help);
    option->default_str(std::to_string(bytes / unit));
    Finish(option, flag)->check(CLI::Range(low, high));
  }

 private:
  CLI::Option* Finish(CLI::Option* option, const std::string& flag) {
    if (option->get_default_str().empty()) {
      option->capture_default_str();
    }
    return option->envname(EnvironmentName(flag))->group(group_);
  }

  CLI::App& app_;
  const std::string group_;
};

// What is said of networks in memory, as it is said.
struct LoadFlags {
  explicit LoadFlags(const serving::ResidencyOptions& options)
      : wait_s(std::chrono::duration_cast<std::chrono::seconds>(options.max_wait).count()) {}

  // What is wrong with them; empty: nothing.
  std::string Set(Config& config) const {
    config.residency.on_demand = when == "on-demand";
    config.residency.max_wait = std::chrono::seconds(wait_s);
    for (const std::string& pin : pins) {
      config.residency.pins.push_back(serving::ParsePin(pin).value());
    }
    if (config.residency.on_demand && config.network_repository.empty()) {
      return "--load-networks on-demand requires --network-repository, where they are stored";
    }
    if (!config.residency.on_demand && !pins.empty()) {
      return "--pin requires --load-networks on-demand";
    }
    return !config.residency.on_demand && wait->count() > 0
               ? "--load-wait-seconds requires --load-networks on-demand"
               : "";
  }

  std::string when = "at-start";
  std::vector<std::string> pins;
  std::int64_t wait_s;
  const CLI::Option* wait = nullptr;
};

void AddServing(CLI::App& app, Config& config, LoadFlags& load, std::string& healthcheck) {
  FlagSet flags(app, "Serving");
  flags.Text("--listen", config.listen, "gRPC address: HOST:PORT, port 0 picks one, or unix:PATH")
      ->check(CheckListen);
  flags
      .Text("--metrics-listen", config.metrics_listen,
            "HTTP address of /metrics, /healthz, /readyz and /statusz; 'none' for none")
      ->check(CheckPort);
  flags
      .Text("--http-listen", config.http_listen,
            "address of the Open Inference Protocol over HTTP: HOST:PORT; 'none' for none")
      ->check(CheckPort);
  flags.Number("--http-threads", config.http_threads, 1, 256,
               "threads that read and write HTTP and its JSON");
  CLI::Option* repository =
      flags.Text("--network-repository", config.network_repository,
                 "folder that loaded networks are stored in and come back from; none: they are not stored");
  flags
      .Number("--repository-poll-seconds", config.repository_poll_seconds, 0, 86'400,
              "time between two looks at the repository for versions that others have stored, changed or "
              "deleted; 0: it is read at the start alone")
      ->needs(repository);
  flags
      .Text(
          "--repository-role", config.repository_role,
          "of the servers on one repository, one owns it, which takes loads and unloads: owner, follower, or "
          "auto, which owns it where no other does and otherwise follows, or does not start if it does not "
          "poll")
      ->check(CLI::IsMember({"auto", "owner", "follower"}))
      ->needs(repository);
  flags
      .Text("--load-networks", load.when,
            "when stored networks come into memory: at-start, where those that do not fit are left out, or "
            "on-demand, where the first request for one waits for it, and room is made by letting go of what "
            "nobody has used for longest")
      ->check(CLI::IsMember({"at-start", "on-demand"}));
  flags
      .Texts("--pin", load.pins,
             "network that is loaded at the start and never let go of: NAME or NAME:VERSION; again or with "
             "commas for more")
      ->check([](const std::string& pin) { return serving::ParsePin(pin).status().message(); }, "");
  load.wait = flags.Number("--load-wait-seconds", load.wait_s, 0, 86'400,
                           "time that a request waits for networks in use to make room for its own");
  flags.Number("--lame-duck-seconds", config.lame_duck_seconds, 0, 86'400,
               "time between not being ready and going, at SIGTERM: clients and balancers hear of it in the "
               "first half, new calls are refused in the second; none at SIGINT");
  flags.Number("--drain-seconds", config.drain_seconds, 0, 86'400,
               "time that SIGTERM and SIGINT then leave to what is running");
  flags.Text("--healthcheck", healthcheck, "probe the server at this address, and exit 0 if it is ready")
      ->check(CheckPort);
}

// Times of the batcher in the units of their flags.
struct BatchTimes {
  explicit BatchTimes(const serving::BatcherOptions& options)
      : delay_us(options.max_delay.count()),
        queue_ms(options.max_wait.count()),
        turn_us(options.turn.count()) {}

  void Set(serving::BatcherOptions& options) const {
    options.max_delay = std::chrono::microseconds(delay_us);
    options.max_wait = std::chrono::milliseconds(queue_ms);
    options.turn = std::chrono::microseconds(turn_us);
  }

  std::int64_t delay_us;
  std::int64_t queue_ms;
  std::int64_t turn_us;
};

void AddCompute(CLI::App& app, Config& config, BatchTimes& times) {
  FlagSet flags(app, "Computing");
  flags.Text("--backend", config.backend.kind, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  flags.Number("--threads", config.backend.threads, 0, 1'024,
               "CPU threads that compute one batch; 0: one per core");
  flags.Number("--workers", config.workers, 1, 256,
               "batches run at the same time, on each GPU where there are several");
  flags.Number("--max-batch", config.batching.max_batch, 1, kMaxInt, "samples that requests are merged to");
  flags.Number("--max-batch-delay-us", times.delay_us, 0, 60'000'000,
               "time that a request waits for others to join it at most: less where waiting brings little");
  flags.Number("--max-queue", config.batching.max_queue, 1, kMaxInt, "samples that may wait for a worker");
  flags.Number("--max-queue-ms", times.queue_ms, 1, 86'400'000,
               "expected time that others may hold up a request; beyond, it is refused");
  flags.Number("--turn-us", times.turn_us, 100, 60'000'000,
               "time after which a long run lets others have their turn");
  flags.Size("--memory-budget-mb", config.memory_budget_bytes, kMega, 0, kMaxInt,
             "memory for networks, uploads, requests and runs; 0: three quarters of the machine's, or of the "
             "GPU's if it has less");
  flags.Size("--response-cache-mb", config.response_cache_bytes, kMega, 0, kMaxInt,
             "part of that memory for answers that are kept, so that equal requests of a tenant, later ones "
             "and those at the same time, are simulated once; 0: each is");
}

void AddRequestLimits(CLI::App& app, Config& config) {
  FlagSet flags(app, "Limits of a request");
  rpc::Limits& limits = config.limits;
  flags.Size("--max-message-mb", limits.max_message_bytes, kMega, 1, kMaxMessageMega, "size of one message");
  flags.Size("--max-upload-mb", limits.max_upload_bytes, kMega, 1, kMaxMessageMega, "size of one network");
  flags.Size("--max-response-mb", limits.max_response_bytes, kMega, 1, kMaxMessageMega,
             "size of one answer, trajectories included");
  flags.Size("--max-structure-kb", limits.max_structure_bytes, kKilo, 1, 1'048'576,
             "size of a message or network without its tensor data");
  flags.Number("--max-uploads", limits.max_uploads, 1, 1'024, "networks uploaded at the same time");
  flags.Number("--upload-idle-seconds", limits.upload_idle_seconds, 1, 86'400,
               "time after which an upload that sends nothing, or less than 64 KiB/s, is cancelled");
  flags.Number("--write-idle-seconds", limits.write_idle_seconds, 1, 86'400,
               "time after which an answer that its client does not read is cancelled");
  flags.Number("--max-sessions", limits.max_sessions, 1, 65'536, "sessions at the same time");
  flags.Number("--session-idle-seconds", limits.session_idle_seconds, 1, 86'400,
               "time without a message after which a session ends");
  flags.Number("--max-steps", limits.max_steps, 1, 1'000'000'000, "time steps of one request");
  flags.Number("--max-samples", limits.max_samples, 1, 16'777'216, "samples of one request");
  flags.Number("--max-streams", config.max_streams, 1, kMaxInt, "calls at the same time on one connection");
  flags.Number(
      "--grpc-connections", config.grpc_connections, 0, 1'048'576,
      "gRPC connections at the same time; 0: a third of the descriptors that are left, at most 8192");
  flags.Number("--grpc-connections-per-address", config.grpc_connections_per_address, 0, 1'048'576,
               "gRPC connections of one client address (of an IPv6 /64) at the same time; 0: 128");
  flags.Number("--max-connection-age-seconds", config.max_connection_age_seconds, 0, 2'000'000,
               "age at which a gRPC connection is asked to end, and ended --drain-seconds later; 0: none");
  flags.Number("--http-connections", config.http_connections, 1, 65'536,
               "HTTP connections at the same time; further ones wait");
  flags.Number("--http-timeout-seconds", config.http_timeout_seconds, 1, 86'400,
               "time for an HTTP client to send a request, and again to take its answer");
  flags.Size("--max-transport-mb", config.max_transport_bytes, kMega, 16, kMaxInt,
             "buffers of messages on their way in and out, over all connections");
}

void AddNetworkLimits(CLI::App& app, engine::NetworkLimits& limits) {
  constexpr std::int64_t kHigh = std::int64_t{1} << 40;
  FlagSet flags(app, "Limits of a network");
  flags.Number("--max-operations", limits.max_operations, 1, 1'048'576, "operations");
  flags.Number("--max-connections", limits.max_connections, 1, 1'048'576, "connections");
  flags.Number("--max-probes", limits.max_probes, 1, 65'536, "probes");
  flags.Number("--max-dimension", limits.max_dimension, 1, kMaxInt, "one dimension of a shape");
  flags.Number("--max-elements", limits.max_elements, 1, kMaxInt, "elements of one operation's output");
  flags.Number("--max-neurons", limits.max_neurons, 1, kHigh, "neurons");
  flags.Number("--max-parameters", limits.max_parameters, 1, kHigh, "weights and other parameters");
  flags.Number("--max-synapses", limits.max_synapses, 1, kHigh,
               "work of a step: outputs times inputs of all operations");
}

constexpr const char* kSecurity = "Security";

void AddSecurity(CLI::App& app, Config& config) {
  FlagSet flags(app, kSecurity);
  CLI::Option* cert = flags.Text("--tls-cert", config.tls.cert, "PEM file with the certificate chain");
  CLI::Option* key = flags.Text("--tls-key", config.tls.key, "PEM file with the private key");
  cert->needs(key);
  key->needs(cert);
  flags
      .Text("--tls-client-ca", config.tls.client_ca,
            "PEM file; clients must present a certificate signed by it")
      ->needs(cert);
  flags
      .Text("--guard", config.guard,
            "slow down or close gRPC connections that send too many resets, pings, headers or settings: on, "
            "off, "
            "or auto, which is on where --listen is neither a loopback address nor a unix socket")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  flags.Text("--auth-token-file", config.auth_token_file,
             "file of tokens that may simulate and look, one a line");
  flags.Text("--admin-token-file", config.admin_token_file, "file of tokens that may also load and unload");
  flags.Text("--quota-file", config.quota_file,
             "JSON file of tenants: their tokens, shares, priorities and quotas; it, the token files and the "
             "certificate are read again when they change and at SIGHUP");
}

void AddObserving(CLI::App& app, Config& config, std::string& format) {
  FlagSet flags(app, "Observing");
  flags.Text("--log-format", format, "text or json")->check(CLI::IsMember({"text", "json"}));
  flags.Text("--log-level", config.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  flags.Share("--trace-sample-rate", config.trace_sample_rate,
              "share of the calls without a trace of their own that are traced, 0 to 1");
  flags.Text(
      "--trace-endpoint", config.trace_endpoint,
      "collector that takes spans by OTLP over gRPC: HOST:PORT, http:// or https:// before it; none: no "
      "traces");
  flags.Number("--metrics-networks", config.metrics_networks, 0, 10'000,
               "networks that the metrics tell apart; further ones are counted together");
  flags.Share("--log-sample-rate", config.log_sample_rate,
              "share of the successful calls that are logged, 0 to 1; calls that fail always are");
}

// What is wrong with one of security that is given without a value, such as a variable that nobody has set:
// it would leave the server open. Empty: nothing.
std::string EmptySecurity(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() != kSecurity) {
      continue;
    }
    const char* const variable = std::getenv(option->get_envname().c_str());
    const bool given = option->count() > 0;
    if (given ? option->results().front().empty() : variable != nullptr && *variable == '\0') {
      return (given ? option->get_name() : option->get_envname()) +
             ": given, but empty; the server would be open. Leave it out for none";
    }
  }
  return {};
}

// Flags in force. Only names of files are in them, so that there is no secret to mask.
std::vector<std::pair<std::string, std::string>> Effective(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (name == "--help" || name == "--version" || name == "--healthcheck") {
      continue;
    }
    values.emplace_back(name.substr(2), option->count() > 0 ? CLI::detail::join(option->results(), ",")
                                                            : option->get_default_str());
  }
  return values;
}

std::vector<std::string> Variables(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_envname().empty()) {
      names.push_back(option->get_envname());
    }
  }
  return names;
}

// CLI11's text of an error, on one line.
std::string OneLine(const std::string& message) {
  std::string line = "spikeserve-server: " + message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line + " (--help lists the flags)\n";
}

}  // namespace

Invocation ParseFlags(int argc, const char* const* argv) {
  Invocation invocation;
  Config& config = invocation.config;
  BatchTimes times(config.batching);
  LoadFlags load(config.residency);
  std::string format = "text";
  CLI::App app("Serves spiking neural networks over gRPC. Every flag can be given as SPIKESERVE_<FLAG> too.");
  app.set_version_flag("--version", std::string("spikeserve-server ") + kVersion);
  AddServing(app, config, load, invocation.healthcheck);
  AddCompute(app, config, times);
  AddRequestLimits(app, config);
  AddNetworkLimits(app, config.limits.network);
  AddSecurity(app, config);
  AddObserving(app, config, format);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return {{}, {}, 0, app.help(), {}};
  } catch (const CLI::CallForVersion& version) {
    return {{}, {}, 0, std::string(version.what()) + "\n", {}};
  } catch (const CLI::Error& error) {
    return {{}, {}, 2, OneLine(error.what()), {}};
  }
  for (const std::string& wrong : {EmptySecurity(app), load.Set(config)}) {
    if (!wrong.empty()) {
      return {{}, {}, 2, OneLine(wrong), {}};
    }
  }
  times.Set(config.batching);
  config.log_format = format == "json" ? rpc::LogFormat::kJson : rpc::LogFormat::kText;
  invocation.effective = Effective(app);
  config.flags = invocation.effective;
  invocation.variables = Variables(app);
  return invocation;
}

}  // namespace spikeserve::app
