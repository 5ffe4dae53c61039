#pragma once

#include <chrono>
#include <string>

#include "server/base/status.h"

namespace spikeserve::app {

// Connects to a gRPC server at `address` (HOST:PORT or unix:PATH) as a client would and waits until it
// answers, or hangs up, as one does that wants TLS. UNAVAILABLE where nobody takes the connection within
// `timeout`, which holds for each of both; also where this process has no descriptor left to try it.
Status ProbeListener(const std::string& address, std::chrono::milliseconds timeout);

}  // namespace spikeserve::app
