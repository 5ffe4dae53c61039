#include "server/serving/metrics/metrics_server.h"

#include <CivetServer.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace spikeserve::serving {
namespace {

struct Page {
  int code = 200;
  std::string text;
};

// Answers GET and HEAD of one path with generated text.
class TextHandler final : public CivetHandler {
 public:
  explicit TextHandler(std::function<Page()> make) : make_(std::move(make)) {}

  bool handleGet(CivetServer*, mg_connection* connection) override { return Answer(connection, true); }
  bool handleHead(CivetServer*, mg_connection* connection) override { return Answer(connection, false); }

 private:
  bool Answer(mg_connection* connection, bool with_body) const {
    const Page page = Make();
    mg_printf(connection,
              "HTTP/1.1 %d %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
              "Content-Length: %zu\r\nConnection: close\r\n\r\n",
              page.code, page.code == 200 ? "OK" : "Unavailable", page.text.size());
    if (with_body) {
      mg_write(connection, page.text.data(), page.text.size());
    }
    return true;
  }

  // The caller is C code, which an exception must not cross.
  Page Make() const noexcept {
    try {
      return make_();
    } catch (...) {
      return {500, {}};
    }
  }

  const std::function<Page()> make_;
};

// CivetWeb looks for its end only between two waits of seconds for a connection, which a connection ends.
constexpr std::chrono::milliseconds kKnockInterval{10};

void Knock(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) {
    return;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static_cast<void>(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  close(descriptor);
}

}  // namespace

struct MetricsServer::Parts {
  Parts(const std::vector<std::string>& options, Metrics& source, std::function<bool()> ready)
      : server(options),
        metrics([&source] {
          return Page{200, source.Expose()};
        }),
        health([] {
          return Page{200, "ok\n"};
        }),
        readiness([ready = std::move(ready)] {
          return ready() ? Page{200, "ready\n"} : Page{503, "not ready\n"};
        }) {
    server.addHandler("/metrics$", metrics);
    server.addHandler("/healthz$", health);
    server.addHandler("/readyz$", readiness);
  }
  ~Parts();  // stops the server before the handlers go

  CivetServer server;
  TextHandler metrics;
  TextHandler health;
  TextHandler readiness;
};

MetricsServer::Parts::~Parts() {
  const std::vector<int> ports = server.getListeningPorts();
  std::atomic<bool> closed = false;
  const std::jthread knocker([&] {
    while (!closed && !ports.empty()) {
      Knock(ports.front());
      std::this_thread::sleep_for(kKnockInterval);
    }
  });
  server.close();
  closed = true;
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address, Metrics& metrics,
                                                            std::function<bool()> ready) {
  // This port serves probes and one scraper, which send what they want at once: short patience with who does
  // not, and threads enough that a few of these keep no probe waiting.
  const std::vector<std::string> options{"listening_ports",    address, "num_threads", "16",
                                         "request_timeout_ms", "1000"};
  try {
    return std::unique_ptr<MetricsServer>(
        new MetricsServer(std::make_unique<Parts>(options, metrics, std::move(ready))));
  } catch (const CivetException&) {
    return Unavailable("cannot listen on " + address +
                       " (--metrics-listen): the address is in use or not of this machine");
  }
}

MetricsServer::MetricsServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
MetricsServer::~MetricsServer() = default;

int MetricsServer::port() const {
  const std::vector<int> ports = parts_->server.getListeningPorts();
  return ports.empty() ? 0 : ports.front();
}

}  // namespace spikeserve::serving
