#pragma once

#include <string>
#include <vector>

#include "server/rpc/decode/checked_request.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// What is probably wrong with a run and what to do about it, for people: what its inputs say (AnswerSpec),
// and, where statistics were asked for, layers that are silent or flooded with spikes. Made to be silent for
// any run that may be meant: a black image among others, a batch of equal samples, few steps.
std::vector<std::string> RunWarnings(const AnswerSpec& answer, const engine::Reading& reading);

}  // namespace spikeserve::rpc
