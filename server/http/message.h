#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// What is known of a request before its body is read. A header that is absent is empty.
struct HttpHead {
  std::string method;
  std::string target;  // path, and perhaps a query
  std::string authorization;
  std::string content_type;
  std::string content_encoding;
  std::string json_bytes;    // Inference-Header-Content-Length
  std::string grpc_timeout;  // as in gRPC: 500m is half a second
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string error;  // the message, where the body says one
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<serving::MemoryBudget::Reservation> memory;  // of the body
};

}  // namespace spikeserve::rest
