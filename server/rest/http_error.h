#pragma once

#include <string>
#include <string_view>

#include "server/base/status.h"
#include "server/http/message.h"

namespace spikeserve::rest {

// {"error": MESSAGE, "code": NAME OF THE CODE} with the HTTP status that fits the code.
http::Response ErrorResponse(const Status& status);
// The same with an HTTP status of its own, for what gRPC has no code of its own for.
http::Response ErrorResponse(int http_status, const Status& status);

}  // namespace spikeserve::rest
