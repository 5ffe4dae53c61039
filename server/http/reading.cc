#include "server/rest/http_reading.h"

#include <boost/beast/http/error.hpp>

#include "server/rest/http_error.h"

namespace spikeserve::rest {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

std::string Header(const http::fields& fields, std::string_view name) {
  const auto value = fields[beast::string_view(name.data(), name.size())];
  return {value.data(), value.size()};
}

HttpHead MakeHead(const http::request_header<>& header) {
  const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
  return {text(header.method_string()),       text(header.target()),
          Header(header, "Authorization"),    Header(header, "Content-Type"),
          Header(header, "Content-Encoding"), Header(header, "Inference-Header-Content-Length"),
          Header(header, "grpc-timeout")};
}

std::optional<HttpResponse> ReadError(const error_code& error, bool late, const HttpOptions& options) {
  if (late) {
    return ErrorResponse(408, {StatusCode::kDeadlineExceeded, "the request did not come within " +
                                                                  std::to_string(options.timeout.count()) +
                                                                  " s (--http-timeout-seconds)"});
  }
  if (error == http::error::body_limit) {
    return ErrorResponse(
        413, ResourceExhausted("the body has more than " + std::to_string(options.max_body_bytes) +
                               " bytes (--max-message-mb)"));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return ErrorResponse(431, ResourceExhausted("the request's headers have more than " +
                                                std::to_string(kMaxHeadBytes) + " bytes"));
  }
  if (error == http::error::partial_message) {
    return ErrorResponse(InvalidArgument("the request ends before its body does"));
  }
  if (error != http::error::end_of_stream &&
      error.category() == make_error_code(http::error::bad_method).category()) {
    return ErrorResponse(InvalidArgument("this is no HTTP request: " + error.message()));
  }
  return std::nullopt;
}

}  // namespace spikeserve::rest
