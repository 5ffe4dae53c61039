#pragma once

#include "server/base/status.h"

namespace spikeserve::rpc {

// What a call that was refused ran into, as one of a few words for the metrics: the name of the flag that
// limits it, "token", "deadline", "unavailable" ...; empty where it was not refused but was wrong, or worked.
const char* RejectionReason(const Status& status);

}  // namespace spikeserve::rpc
