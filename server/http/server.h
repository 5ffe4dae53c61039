#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "server/base/status.h"
#include "server/http/service.h"

namespace spikeserve::http {

// PEM texts for TLS.
struct TlsTexts {
  std::string cert;  // chain
  std::string key;
  std::string client_ca;  // not empty: clients must present a certificate of it
};

struct Options {
  std::string address;      // HOST:PORT; port 0 picks one
  std::string listen_flag;  // what sets it, for messages
  int threads = 2;
  // When there are more, one that waits for a request makes room; where none does, new ones wait.
  int max_connections = 1'024;
  // How many there are.
  std::shared_ptr<std::atomic<int>> connections = std::make_shared<std::atomic<int>>(0);
  // For a client to send a request, and again to take its answer; also how long a connection may be silent.
  std::chrono::seconds timeout{60};
  std::string timeout_flag;  // empty: none sets it
  std::int64_t max_body_bytes = std::int64_t{64} << 20;
  std::optional<TlsTexts> tls;
  // Told of each request that is refused before any call is made of it.
  std::function<void(const Head& head, const Response& refusal)> on_refusal;
};

// HTTP/1.1, with TLS where it is asked for, in front of a Service. No connection holds a thread. Answers from
// its own threads until destroyed.
class Server {
 public:
  // UNAVAILABLE where the address cannot be listened on, INVALID_ARGUMENT where the TLS texts do not fit.
  // `service` outlives the server.
  static Result<std::unique_ptr<Server>> Start(const Options& options, Service& service);
  ~Server();

  // HOST:PORT with the port in use.
  const std::string& address() const;
  // From now on every answer ends its connection.
  void EndConnections();
  // Connections from now on get this certificate; those that there are live on. Only where the server began
  // with TLS. INVALID_ARGUMENT where the texts do not fit, and the certificate stays what it was.
  Status SetTls(const TlsTexts& texts);
  // Returns once no request is being answered, at the deadline, or when stopped.
  void WaitIdle(std::chrono::steady_clock::time_point deadline, std::stop_token stop = {});

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace spikeserve::http
