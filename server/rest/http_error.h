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
// Names the request in the response's header, and in the JSON of an error as "request_id".
void AddRequestId(http::Response& response, const std::string& request_id);

}  // namespace spikeserve::rest
