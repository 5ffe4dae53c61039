#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "server/base/status.h"
#include "server/http/server.h"

namespace spikeserve::http {

// TLS 1.2 or newer with the certificate of `texts`. INVALID_ARGUMENT, naming the flag, where one does not
// fit.
Result<std::shared_ptr<boost::asio::ssl::context>> MakeTlsContext(const TlsTexts& texts);

}  // namespace spikeserve::http
