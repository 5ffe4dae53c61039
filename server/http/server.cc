#include "server/http/server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "server/http/session.h"
#include "server/http/tls_context.h"

namespace spikeserve::http {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using tcp = net::ip::tcp;

// After an accept that failed, most likely for want of file descriptors.
constexpr std::chrono::milliseconds kAcceptPause{100};

Status CannotListen(const Options& options, const error_code& error) {
  return Unavailable("cannot listen on " + options.address + " (" + options.listen_flag +
                     "): " + error.message());
}

// HOST:PORT, where an IPv6 host stands in brackets.
Result<tcp::endpoint> Resolve(net::io_context& io, const Options& options) {
  const std::string& address = options.address;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || address.rfind("unix:", 0) == 0) {
    return InvalidArgument(options.listen_flag + ": got " + address + ", wanted HOST:PORT or none");
  }
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error;
  const auto found =
      tcp::resolver(io).resolve(host, address.substr(colon + 1), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return CannotListen(options, error);
  }
  return found.begin()->endpoint();
}

}  // namespace

// Accepts connections on a strand of its own, as long as there are not too many.
struct Server::Parts {
  Parts(const Options& options, Service& service, std::shared_ptr<net::ssl::context> tls)
      : context(options, service, std::move(tls), [this] { OnIdle(); }) {}
  ~Parts() {
    io.stop();
    threads.clear();
    stopping = true;  // sessions that go with `io` find no strand any more
  }

  Status Listen();
  void Accept();
  void OnAccepted(const error_code& error, tcp::socket socket);
  // Begins with the newcomer, or leaves it to wait.
  void Admit();
  // There may be room again.
  void GoOn();
  void OnClosed();
  void OnIdle();
  void Run();

  std::atomic<bool> stopping = false;
  SessionContext context;          // outlives the sessions, which go with `io`
  std::atomic<bool> full = false;  // nothing is accepted until a connection closes or waits for a request
  net::io_context io;
  net::strand<net::io_context::executor_type> strand{net::make_strand(io)};
  tcp::acceptor acceptor{strand};
  std::optional<tcp::socket> newcomer;  // that found no room: what was idle when it was waited for is busy
  net::steady_timer pause{strand};
  std::string address;
  std::vector<std::jthread> threads;
};

Status Server::Parts::Listen() {
  const auto endpoint = Resolve(io, context.options);
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
    return CannotListen(context.options, error);
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
void Server::Parts::Run() {
  while (!io.stopped()) {
    try {
      io.run();
      return;
    } catch (...) {  // NOLINT: the connection that it came from is gone with its handler
    }
  }
}

void Server::Parts::Accept() {
  full = true;  // first: who begins to wait from here on comes back
  if (*context.options.connections < context.options.max_connections || !context.idle.empty()) {
    full = false;
    acceptor.async_accept(net::make_strand(io), [this](const error_code& error, tcp::socket socket) {
      OnAccepted(error, std::move(socket));
    });
  }
}

void Server::Parts::OnAccepted(const error_code& error, tcp::socket socket) {
  if (error) {
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const error_code& /*error*/) { Accept(); });
    return;
  }
  newcomer = std::move(socket);
  Admit();
}

void Server::Parts::Admit() {
  full = true;  // first: who begins to wait from here on comes back
  if (*context.options.connections >= context.options.max_connections && !context.idle.CloseOldest()) {
    return;
  }
  full = false;
  ++*context.options.connections;
  auto socket = std::make_shared<tcp::socket>(*std::exchange(newcomer, std::nullopt));
  const auto executor = socket->get_executor();
  net::post(executor, [this, socket] {
    StartSession(std::move(*socket), context, [this] {
      if (!stopping) {
        net::post(strand, [this] { OnClosed(); });
      }
    });
  });
  Accept();
}

void Server::Parts::OnClosed() {
  --*context.options.connections;
  GoOn();
}

void Server::Parts::GoOn() {
  if (!full) {
    return;
  }
  if (newcomer) {
    Admit();
  } else {
    Accept();
  }
}

void Server::Parts::OnIdle() {
  if (full && !stopping) {
    net::post(strand, [this] { GoOn(); });
  }
}

Result<std::unique_ptr<Server>> Server::Start(const Options& options, Service& service) {
  std::shared_ptr<net::ssl::context> tls;
  if (options.tls) {
    auto made = MakeTlsContext(*options.tls);
    if (!made.ok()) {
      return made.status();
    }
    tls = std::move(made).value();
  }
  auto parts = std::make_unique<Parts>(options, service, std::move(tls));
  if (Status status = parts->Listen(); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

const std::string& Server::address() const { return parts_->address; }

Status Server::SetTls(const TlsTexts& texts) {
  auto made = MakeTlsContext(texts);
  if (!made.ok()) {
    return made.status();
  }
  parts_->context.SetTls(std::move(made).value());
  return {};
}

void Server::EndConnections() { parts_->context.ending = true; }

void Server::WaitIdle(std::chrono::steady_clock::time_point deadline, std::stop_token stop) {
  parts_->context.WaitIdle(deadline, std::move(stop));
}

}  // namespace spikeserve::http
