#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/app/certificate.h"
#include "server/app/config.h"
#include "server/app/file_watch.h"
#include "server/app/tls_store.h"
#include "server/base/status.h"
#include "server/rpc/access/authorizer.h"
#include "server/serving/tenants/quota_file.h"

namespace spikeserve::app {

// The whole of a small file. INVALID_ARGUMENT names the flag that gave the path.
Result<std::string> ReadSmallFile(const std::string& path, const std::string& flag);

// The texts of the files that `files` names; none: plain text.
Result<std::optional<TlsTexts>> ReadTlsTexts(const TlsFiles& files);

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
  std::shared_ptr<TlsStore> tls;  // null: plain text
  CertificateDates dates;         // with TLS
  std::vector<FileState> states;  // of AccessFiles, before they were read
};

// INVALID_ARGUMENT names the file, its flag, and everything that is wrong with it.
Result<Access> ReadAccess(const Config& config);

// The paths of all these files.
std::vector<std::string> AccessFiles(const Config& config);

// TLS where there is a certificate, else plain text. The server has to go before them.
std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const Access& access);

}  // namespace spikeserve::app
