#include "server/rest/http_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "server/rest/http_session.h"
#include "server/rest/tls_context.h"

namespace spikeserve::rest {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using tcp = net::ip::tcp;

// After an accept that failed, most likely for want of file descriptors.
constexpr std::chrono::milliseconds kAcceptPause{100};

Status CannotListen(const std::string& address, const error_code& error) {
  return Unavailable("cannot listen on " + address + " (--http-listen): " + error.message());
}

// HOST:PORT, where an IPv6 host stands in brackets.
Result<tcp::endpoint> Resolve(net::io_context& io, const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || address.rfind("unix:", 0) == 0) {
    return InvalidArgument("--http-listen: got " + address + ", wanted HOST:PORT or none");
  }
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  const auto found =
      tcp::resolver(io).resolve(host, address.substr(colon + 1), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return CannotListen(address, error);
  }
  return found.begin()->endpoint();
}

}  // namespace

// Accepts connections on a strand of its own, as long as there are not too many.
struct HttpServer::Parts {
  Parts(const HttpOptions& options, Gateway& gateway, serving::MemoryBudget& budget,
        std::shared_ptr<net::ssl::context> tls)
      : context(options, gateway, budget, std::move(tls)) {}
  ~Parts() {
    io.stop();
    threads.clear();
    stopping = true;  // sessions that go with `io` find no strand any more
  }

  Status Listen();
  void Accept();
  void OnAccepted(const error_code& error, tcp::socket socket);
  void OnClosed();
  void Run();

  std::atomic<bool> stopping = false;
  SessionContext context;  // outlives the sessions, which go with `io`
  int connections = 0;     // on the acceptor's strand, as all below
  bool accepting = false;
  net::io_context io;
  net::strand<net::io_context::executor_type> strand{net::make_strand(io)};
  tcp::acceptor acceptor{strand};
  net::steady_timer pause{strand};
  std::string address;
  std::vector<std::jthread> threads;
};

Status HttpServer::Parts::Listen() {
  const auto endpoint = Resolve(io, context.options.address);
  if (!endpoint.ok()) {
    return endpoint.status();
  }
  error_code error;
  acceptor.open(endpoint.value().protocol(), error);
  if (!error) {
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    acceptor.bind(endpoint.value(), error);
  }
  if (!error) {
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
  }
  if (error) {
    return CannotListen(context.options.address, error);
  }
  address = context.options.address.substr(0, context.options.address.rfind(':') + 1) +
            std::to_string(acceptor.local_endpoint().port());
  net::post(strand, [this] { Accept(); });
  for (int i = 0; i < context.options.threads; ++i) {
    threads.emplace_back([this] { Run(); });
  }
  return {};
}

// What a handler throws ends neither the thread nor the server.
void HttpServer::Parts::Run() {
  while (!io.stopped()) {
    try {
      io.run();
      return;
    } catch (...) {  // NOLINT: the connection that it came from is gone with its handler
    }
  }
}

void HttpServer::Parts::Accept() {
  accepting = connections < context.options.max_connections;
  if (accepting) {
    acceptor.async_accept(net::make_strand(io), [this](const error_code& error, tcp::socket socket) {
      OnAccepted(error, std::move(socket));
    });
  }
}

void HttpServer::Parts::OnAccepted(const error_code& error, tcp::socket socket) {
  if (error) {
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const error_code& /*error*/) { Accept(); });
    return;
  }
  ++connections;
  const auto executor = socket.get_executor();
  net::post(executor, [this, socket = std::make_shared<tcp::socket>(std::move(socket))] {
    StartSession(std::move(*socket), context, [this] {
      if (!stopping) {
        net::post(strand, [this] { OnClosed(); });
      }
    });
  });
  Accept();
}

void HttpServer::Parts::OnClosed() {
  --connections;
  if (!accepting) {
    Accept();
  }
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, Gateway& gateway,
                                                      serving::MemoryBudget& budget) {
  std::shared_ptr<net::ssl::context> tls;
  if (options.tls) {
    auto made = MakeTlsContext(*options.tls);
    if (!made.ok()) {
      return made.status();
    }
    tls = std::move(made).value();
  }
  auto parts = std::make_unique<Parts>(options, gateway, budget, std::move(tls));
  if (Status status = parts->Listen(); !status.ok()) {
    return status;
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(parts)));
}

HttpServer::HttpServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
HttpServer::~HttpServer() = default;

const std::string& HttpServer::address() const { return parts_->address; }

Status HttpServer::SetTls(const TlsTexts& texts) {
  auto made = MakeTlsContext(texts);
  if (!made.ok()) {
    return made.status();
  }
  parts_->context.SetTls(std::move(made).value());
  return {};
}

void HttpServer::WaitIdle(std::chrono::steady_clock::time_point deadline) {
  parts_->context.WaitIdle(deadline);
}

}  // namespace spikeserve::rest
