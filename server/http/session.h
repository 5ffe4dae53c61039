#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include "server/base/mutex.h"
#include "server/http/idle_connections.h"
#include "server/http/server.h"
#include "server/http/service.h"

namespace spikeserve::http {

// What all connections share. Thread-safe.
class SessionContext {
 public:
  // `waits` is called when a connection begins to wait for a request.
  SessionContext(Options http_options, Service& to, std::shared_ptr<boost::asio::ssl::context> tls_context,
                 std::function<void()> waits)
      : options(std::move(http_options)),
        service(to),
        on_idle(std::move(waits)),
        tls_(std::move(tls_context)) {}

  // Of one answer, from when the request was read until it is written.
  void Begun();
  void Ended();
  // Until none is under way, or the deadline, or a stop.
  void WaitIdle(std::chrono::steady_clock::time_point deadline, std::stop_token stop);

  // For the next connection; null: plain text.
  std::shared_ptr<boost::asio::ssl::context> tls() {
    const MutexLock lock(mu_);
    return tls_;
  }
  void SetTls(std::shared_ptr<boost::asio::ssl::context> tls) {
    const MutexLock lock(mu_);
    tls_ = std::move(tls);
  }

  std::atomic<bool> ending = false;  // answers end their connections
  const Options options;
  Service& service;
  const std::function<void()> on_idle;
  IdleConnections idle;

 private:
  Mutex mu_;
  std::shared_ptr<boost::asio::ssl::context> tls_ SPIKESERVE_GUARDED_BY(mu_);
  std::condition_variable_any idle_;
  int busy_ SPIKESERVE_GUARDED_BY(mu_) = 0;
};

// Serves one connection, request after request, and lives until it ends; then `closed` is called. `socket`
// has an executor that runs one thing after another.
void StartSession(boost::asio::ip::tcp::socket socket, SessionContext& context, std::function<void()> closed);

}  // namespace spikeserve::http
