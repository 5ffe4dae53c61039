#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <utility>

#include "server/base/mutex.h"
#include "server/rest/gateway.h"
#include "server/rest/http_server.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// What all connections share. Thread-safe.
class SessionContext {
 public:
  SessionContext(HttpOptions http_options, Gateway& to, serving::MemoryBudget& memory,
                 std::shared_ptr<boost::asio::ssl::context> tls_context)
      : options(std::move(http_options)), gateway(to), budget(memory), tls_(std::move(tls_context)) {}

  // Of one answer, from when the request was read until it is written.
  void Begun();
  void Ended();
  void WaitIdle(std::chrono::steady_clock::time_point deadline);

  const HttpOptions options;
  Gateway& gateway;
  serving::MemoryBudget& budget;

  // For the next connection; null: plain text.
  std::shared_ptr<boost::asio::ssl::context> tls();
  void SetTls(std::shared_ptr<boost::asio::ssl::context> tls);

 private:
  Mutex mu_;
  std::shared_ptr<boost::asio::ssl::context> tls_ SPIKESERVE_GUARDED_BY(mu_);
  std::condition_variable_any idle_;
  int busy_ SPIKESERVE_GUARDED_BY(mu_) = 0;
};

// Serves one connection, request after request, and lives until it ends; then `closed` is called. `socket`
// has an executor that runs one thing after another.
void StartSession(boost::asio::ip::tcp::socket socket, SessionContext& context, std::function<void()> closed);

}  // namespace spikeserve::rest
