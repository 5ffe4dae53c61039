#include "server/app/healthcheck.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <future>
#include <utility>

#include "server/app/credentials.h"

namespace spikeserve::app {
namespace {

// HealthCheckResponse{status: SERVING}; the request for the whole server is empty.
constexpr std::string_view kServing = "\x08\x01";

Result<std::shared_ptr<grpc::ChannelCredentials>> ClientCredentials(const TlsFiles& tls) {
  if (tls.cert.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  const auto cert = ReadSmallFile(tls.cert, "--tls-cert");
  if (!cert.ok()) {
    return cert.status();
  }
  const auto key = ReadSmallFile(tls.key, "--tls-key");
  if (!key.ok()) {
    return key.status();
  }
  return grpc::SslCredentials({cert.value(), key.value(), cert.value()});
}

std::string Flatten(const grpc::ByteBuffer& bytes) {
  grpc::Slice slice;
  if (!bytes.Valid() || !bytes.DumpToSingleSlice(&slice).ok()) {
    return {};
  }
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

}  // namespace

Status CheckHealth(const std::string& address, const TlsFiles& tls, std::chrono::seconds timeout) {
  auto credentials = ClientCredentials(tls);
  if (!credentials.ok()) {
    return credentials.status();
  }
  grpc::GenericStub stub(grpc::CreateChannel(address, std::move(credentials).value()));
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + timeout);
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&call, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) {
    return {static_cast<StatusCode>(status.error_code()),
            address + ": " + status.error_message() +
                (tls.cert.empty() ? "; one with TLS is asked with its --tls-cert and --tls-key" : "")};
  }
  if (Flatten(response) == kServing) {
    return {};
  }
  return Unavailable(address + ": not ready");
}

}  // namespace spikeserve::app
