#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/rest/http_message.h"
#include "server/rest/http_server.h"

namespace spikeserve::rest {

inline constexpr std::uint32_t kMaxHeadBytes = 16 << 10;

// The value of a header; empty where there is none.
std::string Header(const boost::beast::http::fields& fields, std::string_view name);

HttpHead MakeHead(const boost::beast::http::request_header<>& header);

// The answer to a request that could not be read, or came too `late`; none where there is nobody to answer.
std::optional<HttpResponse> ReadError(const boost::system::error_code& error, bool late,
                                      const HttpOptions& options);

}  // namespace spikeserve::rest
