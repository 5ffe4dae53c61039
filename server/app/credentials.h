#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>

#include "server/app/config.h"
#include "server/base/status.h"
#include "server/http/server.h"
#include "server/rpc/context/authorizer.h"

namespace spikeserve::app {

// The whole of a small file. INVALID_ARGUMENT names the flag that gave the path.
Result<std::string> ReadSmallFile(const std::string& path, const std::string& flag);

// TLS where `files` names any, else plain text.
Result<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(const TlsFiles& files);

// The same for HTTP; none: plain text.
Result<std::optional<http::TlsTexts>> ReadTlsTexts(const TlsFiles& files);

// The tokens of the files that `config` names; none where it names none.
Result<rpc::Tokens> ReadTokens(const Config& config);

}  // namespace spikeserve::app
