#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::http {

// What is known of a request before its body is read. A header that is absent is empty.
struct Head {
  std::string method;
  std::string target;  // path, and perhaps a query
  std::string authorization;
  std::string content_type;
  std::string content_encoding;
  std::string accept;
  std::string json_bytes;    // Inference-Header-Content-Length
  std::string grpc_timeout;  // as in gRPC: 500m is half a second
  std::string request_id;    // X-Request-Id
  std::string traceparent;   // of the W3C
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string error;       // the message, where the body says one
  std::string request_id;  // which of the headers says too; empty: it has none
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<void> memory;  // what was reserved for the body, until it is written
};

// The status of HTTP that fits a code.
int HttpStatus(StatusCode code);

}  // namespace spikeserve::http
