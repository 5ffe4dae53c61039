#include "server/app/credentials.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "server/transport/tls_settings.h"

namespace spikeserve::app {
namespace {

// Certificates and tokens are small; anything else is the wrong file.
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

Result<std::vector<std::string>> ReadTokenFile(const std::string& path, const std::string& flag) {
  if (path.empty()) {
    return std::vector<std::string>();
  }
  const auto text = ReadSmallFile(path, flag);
  if (!text.ok()) {
    return text.status();
  }
  auto tokens = rpc::ParseTokens(text.value());
  if (tokens.ok()) {
    return tokens;
  }
  return InvalidArgument(flag + ": " + path + ": " + tokens.status().message());
}

Result<serving::QuotaFile> ReadQuotaFile(const std::string& path) {
  if (path.empty()) {
    return serving::QuotaFile();
  }
  const auto text = ReadSmallFile(path, "--quota-file");
  if (!text.ok()) {
    return text.status();
  }
  auto quotas = serving::ParseQuotaFile(text.value());
  if (quotas.ok()) {
    return quotas;
  }
  return InvalidArgument("--quota-file: " + path + ": " + quotas.status().message());
}

}  // namespace

Result<std::string> ReadSmallFile(const std::string& path, const std::string& flag) {
  std::error_code ignored;  // what cannot be looked at cannot be opened either
  if (std::filesystem::is_fifo(path, ignored)) {
    return InvalidArgument(
        flag + ": " + path +
        " is a pipe, wanted a file: it is read again when it changes, which a pipe cannot be");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  if (!file || file.read(text.data(), static_cast<std::streamsize>(text.size())).bad()) {
    return InvalidArgument(flag + ": " + path + " cannot be read: " + std::generic_category().message(errno));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.empty()) {
    return InvalidArgument(flag + ": " + path + " is empty or not a file");
  }
  if (text.size() <= kMaxFileBytes) {
    return text;
  }
  return InvalidArgument(flag + ": " + path + " has more than " + std::to_string(kMaxFileBytes) + " bytes");
}

Result<std::optional<transport::TlsTexts>> ReadTlsTexts(const TlsFiles& files) {
  if (files.cert.empty()) {
    return std::optional<transport::TlsTexts>();
  }
  transport::TlsTexts texts;
  const auto read = [](const std::string& path, const std::string& flag, transport::TlsTexts::Text& text) {
    auto content = ReadSmallFile(path, flag);
    if (content.ok()) {
      text = {std::move(content).value(), flag + ": " + path};
    }
    return content.status();
  };
  if (Status status = read(files.cert, "--tls-cert", texts.cert); !status.ok()) {
    return status;
  }
  if (Status status = read(files.key, "--tls-key", texts.key); !status.ok()) {
    return status;
  }
  if (!files.client_ca.empty()) {
    if (Status status = read(files.client_ca, "--tls-client-ca", texts.client_ca); !status.ok()) {
      return status;
    }
  }
  if (const auto tried = transport::TlsSettings::Create(texts); !tried.ok()) {
    return tried.status();
  }
  return std::optional(std::move(texts));
}

std::optional<http::TlsTexts> HttpTls(const std::optional<transport::TlsTexts>& texts) {
  if (!texts) {
    return std::nullopt;
  }
  return http::TlsTexts{texts->cert.pem, texts->key.pem, texts->client_ca.pem};
}

Result<CallerFiles> ReadCallers(const Config& config) {
  auto use = ReadTokenFile(config.auth_token_file, "--auth-token-file");
  if (!use.ok()) {
    return use.status();
  }
  auto admin = ReadTokenFile(config.admin_token_file, "--admin-token-file");
  if (!admin.ok()) {
    return admin.status();
  }
  auto quotas = ReadQuotaFile(config.quota_file);
  if (!quotas.ok()) {
    return quotas.status();
  }
  return CallerFiles{{std::move(use).value(), std::move(admin).value()}, std::move(quotas).value()};
}

Result<Access> ReadAccess(const Config& config) {
  Access access;
  access.states = StatesOf(AccessFiles(config));
  auto callers = ReadCallers(config);
  if (!callers.ok()) {
    return callers.status();
  }
  access.callers = std::move(callers).value();
  auto texts = ReadTlsTexts(config.tls);
  if (!texts.ok()) {
    return texts.status();
  }
  if (!texts.value()) {
    return access;
  }
  access.dates = ReadDates(texts.value()->cert.pem);
  access.tls = std::move(texts).value();
  return access;
}

void WarnOfPlainTokens(const Config& config, const Access& access, const rpc::EventLog& log) {
  const CallerFiles& callers = access.callers;
  const bool tokens =
      !callers.tokens.use.empty() || !callers.tokens.admin.empty() || callers.quotas.has_callers();
  if (tokens && !access.tls && config.listen.rfind("unix:", 0) != 0) {
    log.Warn("tokens_in_plain_text",
             {{"message", std::string("tokens are asked for, but not encrypted: set --tls-cert")}});
  }
}

std::vector<std::string> AccessFiles(const Config& config) {
  std::vector<std::string> paths;
  for (const std::string* path : {&config.auth_token_file, &config.admin_token_file, &config.quota_file,
                                  &config.tls.cert, &config.tls.key, &config.tls.client_ca}) {
    if (!path->empty()) {
      paths.push_back(*path);
    }
  }
  return paths;
}

}  // namespace spikeserve::app
