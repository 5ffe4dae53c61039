#pragma once

#include <memory>

#include "server/base/status.h"
#include "server/rest/caller.h"
#include "server/rest/exchange.h"

namespace spikeserve::rest {

// Each asks for what the route says, and responds with the answer as JSON.
Status AskServer(Caller& caller, const std::shared_ptr<Exchange>& exchange);
Status AskModel(Caller& caller, const std::shared_ptr<Exchange>& exchange);

}  // namespace spikeserve::rest
