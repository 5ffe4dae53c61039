#include "server/serving/metrics_server.h"

#include <CivetServer.h>

#include <string_view>
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
    if (with_body) mg_write(connection, page.text.data(), page.text.size());
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
  ~Parts() { server.close(); }  // before the handlers go

  CivetServer server;
  TextHandler metrics;
  TextHandler health;
  TextHandler readiness;
};

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address, Metrics& metrics,
                                                            std::function<bool()> ready) {
  // Few threads and short patience: this port serves probes and one scraper.
  const std::vector<std::string> options{"listening_ports",    address, "num_threads", "3",
                                         "request_timeout_ms", "5000"};
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
