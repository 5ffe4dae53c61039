#pragma once

#include <vector>

#include "server/rpc/context/event_log.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/residency/residency.h"

namespace spikeserve::app {

// Counts and logs what was done about a network that is resident on demand.
void TellOfNetwork(const serving::ResidencyNews& news, serving::Metrics& metrics, const rpc::EventLog& log);

// One line for each pin that stands for no network that is there.
void WarnOfUnknownPins(const std::vector<serving::Pin>& pins, const serving::NetworkRegistry& registry,
                       const rpc::EventLog& log);

}  // namespace spikeserve::app
