#pragma once

#include <optional>
#include <string>

#include "server/app/config.h"
#include "server/base/status.h"
#include "server/rest/http_server.h"
#include "server/rpc/context/authorizer.h"
#include "server/transport/transport_options.h"

namespace spikeserve::app {

// The whole of a small file. INVALID_ARGUMENT names the flag that gave the path.
Result<std::string> ReadSmallFile(const std::string& path, const std::string& flag);

// The files that TLS needs; none where `files` names none. INVALID_ARGUMENT names the file that is wrong, and
// says how.
Result<std::optional<transport::TlsTexts>> ReadTlsTexts(const TlsFiles& files);

// The same for HTTP.
std::optional<rest::TlsTexts> HttpTls(const std::optional<transport::TlsTexts>& texts);

// The tokens of the files that `config` names; none where it names none.
Result<rpc::Tokens> ReadTokens(const Config& config);

}  // namespace spikeserve::app
