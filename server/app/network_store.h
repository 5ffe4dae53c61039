#pragma once

#include <optional>
#include <vector>

#include "server/app/config.h"
#include "server/base/status.h"
#include "server/rpc/context/event_log.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/metrics/repository_metrics.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/networks/network_repository.h"
#include "server/serving/residency/residency.h"
#include "server/serving/store/repository_watch.h"

namespace spikeserve::app {

// Opens the folder of --network-repository; none where there is no such flag. Whether this server owns it is
// logged, each time that it changes. FAILED_PRECONDITION where it cannot be read, and where it should be
// owned and is another server's. `log` outlives it.
Result<std::optional<serving::NetworkRepository>> OpenRepository(const Config& config,
                                                                 const rpc::EventLog& log);

// Warns of what lies in the repository and is no network.
void WarnOfStrangers(const serving::NetworkRepository& repository, const rpc::EventLog& log);

// Loads all that is stored; what cannot be loaded is logged and skipped.
void LoadStored(const serving::NetworkRepository& repository, const serving::NetworkLoader& loader,
                const rpc::EventLog& log);

// Logs what a look at the repository came to.
void LogStoreEvent(const serving::StoreEvent& event, const rpc::EventLog& log);

// Counts and logs what was done about a network that is resident on demand.
void TellOfNetwork(const serving::ResidencyNews& news, serving::Metrics& metrics, const rpc::EventLog& log);

// One line for each pin that stands for no network that is there.
void WarnOfUnknownPins(const std::vector<serving::Pin>& pins, const serving::NetworkRegistry& registry,
                       const rpc::EventLog& log);

// What the metrics and the status page say of the repository; `watch` is null where nobody polls.
serving::RepositoryReading ReadRepository(const serving::NetworkRepository& repository,
                                          const serving::RepositoryWatch* watch);

}  // namespace spikeserve::app
