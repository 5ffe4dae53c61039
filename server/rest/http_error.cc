#include "server/rest/http_error.h"

#include "server/rest/translate/json_text.h"
#include "server/serving/metrics/metrics.h"

namespace spikeserve::rest {

http::Response ErrorResponse(const Status& status) {
  return ErrorResponse(http::HttpStatus(status.code()), status);
}

http::Response ErrorResponse(int http_status, const Status& status) {
  http::Response response;
  response.status = http_status;
  response.error = status.message();
  response.body = "{";
  AppendName(response.body, "error");
  AppendText(response.body, status.message());
  AppendName(response.body, "code");
  AppendText(response.body, serving::CodeName(status.code()));
  response.body += "}";
  if (http_status == 401) {
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  return response;
}

void AddRequestId(http::Response& response, const std::string& request_id) {
  response.request_id = request_id;
  response.headers.emplace_back("X-Request-Id", request_id);
  if (!response.error.empty() && !response.body.empty() && response.body.back() == '}') {
    response.body.pop_back();
    AppendName(response.body, "request_id");
    AppendText(response.body, request_id);
    response.body += "}";
  }
}

}  // namespace spikeserve::rest
