#pragma once

#include <chrono>
#include <string>

#include "server/app/config.h"
#include "server/base/status.h"

namespace spikeserve::app {

// Asks grpc.health.v1 at `address` whether the server is ready, within `timeout`. With `tls.cert` set the
// call is encrypted and that certificate trusted, with `tls.key` as the client's own.
Status CheckHealth(const std::string& address, const TlsFiles& tls, std::chrono::seconds timeout);

}  // namespace spikeserve::app
