#include "server/app/credentials.h"

#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

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

}  // namespace

Result<std::string> ReadSmallFile(const std::string& path, const std::string& flag) {
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

Result<std::shared_ptr<grpc::ServerCredentials>> MakeCredentials(const TlsFiles& files) {
  if (files.cert.empty()) {
    return grpc::InsecureServerCredentials();
  }
  auto cert = ReadSmallFile(files.cert, "--tls-cert");
  if (!cert.ok()) {
    return cert.status();
  }
  auto key = ReadSmallFile(files.key, "--tls-key");
  if (!key.ok()) {
    return key.status();
  }
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({std::move(key).value(), std::move(cert).value()});
  if (!files.client_ca.empty()) {
    auto client_ca = ReadSmallFile(files.client_ca, "--tls-client-ca");
    if (!client_ca.ok()) {
      return client_ca.status();
    }
    options.pem_root_certs = std::move(client_ca).value();
    options.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(options);
}

Result<rpc::Tokens> ReadTokens(const Config& config) {
  auto use = ReadTokenFile(config.auth_token_file, "--auth-token-file");
  if (!use.ok()) {
    return use.status();
  }
  auto admin = ReadTokenFile(config.admin_token_file, "--admin-token-file");
  if (!admin.ok()) {
    return admin.status();
  }
  return rpc::Tokens{std::move(use).value(), std::move(admin).value()};
}

}  // namespace spikeserve::app
