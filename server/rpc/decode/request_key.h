#pragma once

#include <string>

#include "server/serving/answers/kept_answers.h"
#include "server/serving/networks/network_entry.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// A hash of all that the answer to `request` depends on: its fields, the very network that it is for, and the
// tenant, as nobody is to find out by the time that an answer takes what others ask for. Requests with the
// same key have the same answer; the same request in other words (a default that is spelled out) has another.
serving::AnswerKey RequestKey(const v1::SimulateRequest& request, const serving::NetworkEntry& network,
                              const std::string& tenant);

}  // namespace spikeserve::rpc
