#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/app/config.h"
#include "server/engine/run/backend.h"
#include "server/rpc/context/call_log.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/metrics/repository_metrics.h"
#include "server/serving/metrics/status_page.h"
#include "server/serving/networks/aliases.h"
#include "server/serving/networks/network_registry.h"

namespace spikeserve::app {

// What /statusz tells of, at one moment.
struct StatusSources {
  const Config& config;
  const engine::Backend& backend;
  bool ready = false;
  double uptime_s = 0;
  serving::Gauges gauges;
  std::vector<serving::InFlight> calls;
  std::vector<serving::NetworkListing> networks;
  const serving::Aliases& aliases;
  std::optional<serving::RepositoryReading> repository;  // none: networks are not stored
  std::vector<rpc::CallLog::Failure> failures;           // the newest first
};

serving::StatusPage MakeStatus(const StatusSources& sources);

}  // namespace spikeserve::app
