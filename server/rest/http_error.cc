#include "server/rest/http_error.h"

#include "server/rest/translate/json_text.h"
#include "server/serving/metrics/metrics.h"

namespace spikeserve::rest {
namespace {

int HttpStatus(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return 200;
    case StatusCode::kInvalidArgument:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kOutOfRange: return 400;
    case StatusCode::kUnauthenticated: return 401;
    case StatusCode::kPermissionDenied: return 403;
    case StatusCode::kNotFound: return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kAborted: return 409;
    case StatusCode::kResourceExhausted: return 429;
    case StatusCode::kCancelled: return 499;
    case StatusCode::kUnknown:
    case StatusCode::kInternal:
    case StatusCode::kDataLoss: return 500;
    case StatusCode::kUnimplemented: return 501;
    case StatusCode::kUnavailable: return 503;
    case StatusCode::kDeadlineExceeded: return 504;
  }
  return 500;
}

}  // namespace

HttpResponse ErrorResponse(const Status& status) { return ErrorResponse(HttpStatus(status.code()), status); }

HttpResponse ErrorResponse(int http_status, const Status& status) {
  HttpResponse response;
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
