#pragma once

#include <memory>

#include "server/base/status.h"
#include "server/rest/caller.h"
#include "server/rest/exchange.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// POST .../infer: the body as a ModelInferRequest, its answer as JSON and bytes. An error that is returned is
// still to be responded.
Status Infer(Caller& caller, serving::MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange);

// POST /v1/models/NAME:predict: asks for the model's inputs first.
Status Predict(Caller& caller, serving::MemoryBudget& budget, const std::shared_ptr<Exchange>& exchange);

}  // namespace spikeserve::rest
