#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/app/certificate.h"
#include "server/app/config.h"
#include "server/app/file_watch.h"
#include "server/base/status.h"
#include "server/http/server.h"
#include "server/rpc/access/authorizer.h"
#include "server/rpc/context/event_log.h"
#include "server/serving/tenants/quota_file.h"
#include "server/transport/transport_options.h"

namespace spikeserve::app {

// The whole of a small file. INVALID_ARGUMENT names the flag that gave the path.
Result<std::string> ReadSmallFile(const std::string& path, const std::string& flag);

// The texts of the files that `files` names; none: plain text. INVALID_ARGUMENT names the file that is wrong,
// and says how.
Result<std::optional<transport::TlsTexts>> ReadTlsTexts(const TlsFiles& files);

// The same for HTTP.
std::optional<http::TlsTexts> HttpTls(const std::optional<transport::TlsTexts>& texts);

// Who may call, and what they may have.
struct CallerFiles {
  rpc::Tokens tokens;
  serving::QuotaFile quotas;
};

// What the files that `config` names say; nothing where it names none.
Result<CallerFiles> ReadCallers(const Config& config);

// Everything that access to the server depends on, as the files had it at the start.
struct Access {
  CallerFiles callers;
  std::optional<transport::TlsTexts> tls;  // none: plain text
  CertificateDates dates;                  // with TLS
  std::vector<FileState> states;           // of AccessFiles, before they were read
};

// INVALID_ARGUMENT names the file, its flag, and everything that is wrong with it.
Result<Access> ReadAccess(const Config& config);

// One line where tokens are asked for and anybody on the way can read them.
void WarnOfPlainTokens(const Config& config, const Access& access, const rpc::EventLog& log);

// The paths of all these files.
std::vector<std::string> AccessFiles(const Config& config);

}  // namespace spikeserve::app
