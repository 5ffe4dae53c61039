#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/base/status.h"
#include "server/rest/gateway.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// PEM texts for TLS.
struct TlsTexts {
  std::string cert;  // chain
  std::string key;
  std::string client_ca;  // not empty: clients must present a certificate of it
};

struct HttpOptions {
  std::string address = "0.0.0.0:8000";  // HOST:PORT; port 0 picks one
  int threads = 2;
  int max_connections = 1'024;
  // For a client to send a request, and again to take its answer; also how long a connection may be silent.
  std::chrono::seconds timeout{60};
  std::int64_t max_body_bytes = std::int64_t{64} << 20;
  std::optional<TlsTexts> tls;
  // Told of each request that is refused before any call is made of it.
  std::function<void(const HttpHead& head, const HttpResponse& refusal)> on_refusal;
};

// HTTP/1.1, with TLS where it is asked for, in front of a Gateway. No connection holds a thread. Answers from
// its own threads until destroyed.
class HttpServer {
 public:
  // UNAVAILABLE where the address cannot be listened on, INVALID_ARGUMENT where the TLS texts do not fit.
  // `gateway` and `budget` outlive the server.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpOptions& options, Gateway& gateway,
                                                   serving::MemoryBudget& budget);
  ~HttpServer();

  // HOST:PORT with the port in use.
  const std::string& address() const;
  // Connections from now on get this certificate; those that there are live on. Only where the server began
  // with TLS. INVALID_ARGUMENT where the texts do not fit, and the certificate stays what it was.
  Status SetTls(const TlsTexts& texts);
  // Returns once no request is being answered, or at the deadline.
  void WaitIdle(std::chrono::steady_clock::time_point deadline);

 private:
  struct Parts;
  explicit HttpServer(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace spikeserve::rest
