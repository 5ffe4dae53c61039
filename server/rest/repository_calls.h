#pragma once

#include <memory>

#include "server/base/status.h"
#include "server/rest/caller.h"
#include "server/rest/exchange.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// POST /v2/repository/index, with {"ready": true} only what is ready.
Status ShowIndex(Caller& caller, serving::MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange);

// GET /v2/models and /v1/models: the names of the models that are ready.
Status ShowModelList(Caller& caller, const std::shared_ptr<Exchange>& exchange);

// POST /v2/repository/models/NAME/load and /unload. Of a load a parameter "file:VERSION/network.spk" is the
// file as base64.
Status LoadModel(Caller& caller, serving::MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange);
Status UnloadModel(Caller& caller, serving::MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange);

}  // namespace spikeserve::rest
