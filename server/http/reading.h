#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.h"
#include "server/http/server.h"
#include "server/http/service.h"

namespace spikeserve::http {

inline constexpr std::uint32_t kMaxHeadBytes = 16 << 10;

// The value of a header; empty where there is none.
std::string Header(const boost::beast::http::fields& fields, std::string_view name);

Head MakeHead(const boost::beast::http::request_header<>& header);

// The refusal of a body that is transferred otherwise than in chunks, which would be taken for what it is
// not.
std::optional<Response> CodingError(const boost::beast::http::fields& fields, Service& service);

// The answer to a request that could not be read, or came too `late`; none where there is nobody to answer.
std::optional<Response> ReadError(const boost::system::error_code& error, bool late, const Options& options,
                                  Service& service);

}  // namespace spikeserve::http
