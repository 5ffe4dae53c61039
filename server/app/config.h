#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/base/cores.h"
#include "server/engine/make_backend.h"
#include "server/rpc/context/event_log.h"
#include "server/rpc/wire/limits.h"
#include "server/serving/requests/batcher.h"
#include "server/serving/residency/residency.h"

namespace spikeserve::app {

// Paths of the files that TLS needs.
struct TlsFiles {
  std::string cert;       // PEM chain; empty: no TLS
  std::string key;        // PEM
  std::string client_ca;  // PEM; set: clients must present a certificate of it
};

// Everything that can be set from outside, with its default. A value.
struct Config {
  std::string listen = "0.0.0.0:8001";
  std::string metrics_listen = "0.0.0.0:8002";  // empty: none
  std::string http_listen = "0.0.0.0:8000";     // empty: none
  std::int64_t http_threads = 2;
  std::int64_t http_connections = 1'024;
  std::int64_t http_timeout_seconds = 60;
  std::string network_repository;            // empty: networks are not stored
  std::int64_t repository_poll_seconds = 0;  // 0: it is read at the start alone
  std::string repository_role = "auto";      // or owner, follower
  serving::ResidencyOptions residency;
  engine::BackendOptions backend;
  // Batches run at the same time, so that a short one need not wait for a long one; on one core they would
  // only hold up each other.
  std::int64_t workers = std::min<std::int64_t>(2, UsableCores());
  std::int64_t response_cache_bytes = 0;  // 0: every request is simulated

  serving::BatcherOptions batching;
  rpc::Limits limits;
  std::int64_t memory_budget_bytes = 0;  // 0: three quarters of the machine's memory
  std::int64_t max_transport_bytes = std::int64_t{1} << 30;
  int max_streams = 256;
  std::int64_t grpc_connections = 0;              // 0: by the limit of open files
  std::int64_t grpc_connections_per_address = 0;  // 0: 128
  std::string guard = "auto";                     // or on, off
  std::int64_t max_connection_age_seconds = 0;    // 0: any

  TlsFiles tls;
  std::string auth_token_file;
  std::string admin_token_file;
  std::string quota_file;  // JSON; empty: nobody has a quota

  rpc::LogFormat log_format = rpc::LogFormat::kText;
  std::string log_level = "info";
  double log_sample_rate = 1;                              // of the calls that succeed
  std::string trace_endpoint;                              // of a collector; empty: no traces
  double trace_sample_rate = 0;                            // of the calls that bring no trace of their own
  std::int64_t metrics_networks = 100;                     // that the metrics tell apart
  std::vector<std::pair<std::string, std::string>> flags;  // in force, to be shown; secrets masked
  std::int64_t lame_duck_seconds = 4;
  std::int64_t drain_seconds = 30;
};

}  // namespace spikeserve::app
