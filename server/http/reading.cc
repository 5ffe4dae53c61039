#include "server/http/reading.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

#include "server/base/quote.h"

namespace spikeserve::http {

namespace beast = boost::beast;
namespace beast_http = boost::beast::http;
using boost::system::error_code;

std::string Header(const beast_http::fields& fields, std::string_view name) {
  const auto value = fields[beast::string_view(name.data(), name.size())];
  return {value.data(), value.size()};
}

Head MakeHead(const beast_http::request_header<>& header) {
  const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
  return {.method = text(header.method_string()),
          .target = text(header.target()),
          .authorization = Header(header, "Authorization"),
          .content_type = Header(header, "Content-Type"),
          .content_encoding = Header(header, "Content-Encoding"),
          .accept = Header(header, "Accept"),
          .json_bytes = Header(header, "Inference-Header-Content-Length"),
          .grpc_timeout = Header(header, "grpc-timeout"),
          .request_id = Header(header, "X-Request-Id"),
          .traceparent = Header(header, "traceparent")};
}

std::optional<Response> CodingError(const beast_http::fields& fields, Service& service) {
  const std::string coding = Header(fields, "Transfer-Encoding");
  if (coding.empty() || beast::iequals(coding, "chunked")) {
    return std::nullopt;
  }
  constexpr int kNotImplemented = 501;
  return service.Refusal(kNotImplemented, {StatusCode::kUnimplemented,
                                           "Transfer-Encoding is " + Quote(coding) + ", wanted chunked"});
}

std::optional<Response> ReadError(const error_code& error, bool late, const Options& options,
                                  Service& service) {
  if (late) {
    return service.Refusal(
        408, {StatusCode::kDeadlineExceeded,
              "the request did not come within " + std::to_string(options.timeout.count()) + " s" +
                  (options.timeout_flag.empty() ? std::string() : " (" + options.timeout_flag + ")")});
  }
  if (error == beast_http::error::body_limit) {
    return service.Refusal(
        413, ResourceExhausted("the body has more than " + std::to_string(options.max_body_bytes) +
                               " bytes (--max-message-mb)"));
  }
  if (error == beast_http::error::header_limit || error == beast_http::error::buffer_overflow) {
    return service.Refusal(431, ResourceExhausted("the request's headers have more than " +
                                                  std::to_string(kMaxHeadBytes) + " bytes"));
  }
  if (error == beast_http::error::partial_message) {
    return service.Refusal(400, InvalidArgument("the request ends before its body does"));
  }
  if (error != beast_http::error::end_of_stream &&
      error.category() == make_error_code(beast_http::error::bad_method).category()) {
    return service.Refusal(400, InvalidArgument("this is no HTTP request: " + error.message()));
  }
  return std::nullopt;
}

}  // namespace spikeserve::http
