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

}  // namespace spikeserve::rest
