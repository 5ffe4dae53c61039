#include "server/serving/metrics/metrics_server.h"

#include <chrono>
#include <string_view>
#include <utility>
#include <variant>

#include "server/base/guarded.h"

namespace spikeserve::serving {
namespace {

// This port serves probes and a few scrapers, which send what they want at once.
constexpr std::chrono::seconds kTimeout{5};
constexpr int kThreads = 2;  // so that a probe is answered beside a scrape
constexpr int kMaxConnections = 64;

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kMetricsText = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kOpenMetricsText = "application/openmetrics-text; version=1.0.0; charset=utf-8";
constexpr const char* kHtml = "text/html; charset=utf-8";
constexpr const char* kJson = "application/json";

http::Response Page(int status, const char* type, std::string text) {
  http::Response response;
  response.status = status;
  response.content_type = type;
  response.body = std::move(text);
  return response;
}

// Whether the client names the type. Those who ask for it prefer it: browsers name neither of ours but HTML.
bool Accepts(const http::Head& head, std::string_view type) {
  return head.accept.find(type) != std::string::npos;
}

}  // namespace

class MetricsServer::Pages final : public http::Service {
 public:
  Pages(Metrics& metrics, Sources sources) : metrics_(metrics), sources_(std::move(sources)) {}

  std::variant<http::Admission, http::Response> Admit(const http::Head& head) override {
    if (head.method != "GET" && head.method != "HEAD") {
      auto refusal = Page(405, kText, "this port answers GET and HEAD\n");
      refusal.headers.emplace_back("Allow", "GET, HEAD");
      return refusal;
    }
    auto exchange = std::make_shared<http::Exchange>();
    exchange->head = head;
    return http::Admission{std::move(exchange), false};
  }

  // No page takes a body.
  Result<std::shared_ptr<void>> ReserveBody(std::int64_t /*bytes*/) override {
    return Internal("a body without a reader");
  }

  void Handle(const std::shared_ptr<http::Exchange>& exchange) override {
    http::Response page;
    const Status status = Guarded(
        [&] {
          page = Find(exchange->head);
          return Status();
        },
        "making the page");
    exchange->respond(status.ok() ? std::move(page) : Refusal(http::HttpStatus(status.code()), status));
  }

  http::Response Refusal(int http_status, const Status& status) override {
    return Page(http_status, kText, status.message() + "\n");
  }

 private:
  http::Response Find(const http::Head& head) {
    const std::string_view target = head.target;
    const std::string_view path = target.substr(0, target.find('?'));
    if (path == "/metrics") {
      return Accepts(head, "application/openmetrics-text")
                 ? Page(200, kOpenMetricsText, metrics_.Expose(MetricsFormat::kOpenMetrics))
                 : Page(200, kMetricsText, metrics_.Expose());
    }
    if (path == "/statusz") {
      return ShowStatus(head, target.substr(path.size()));
    }
    if (path == "/healthz") {
      return Page(200, kText, "ok\n");
    }
    if (path == "/readyz") {
      return sources_.ready() ? Page(200, kText, "ready\n") : Page(503, kText, "not ready\n");
    }
    return Page(404, kText, "there is no such page; wanted /metrics, /healthz, /readyz or /statusz\n");
  }

  http::Response ShowStatus(const http::Head& head, std::string_view query) const {
    if (!query.empty() && query != "?format=json" && query != "?format=html" && query != "?format=text") {
      return Page(400, kText, "wanted /statusz, or it with ?format=json, ?format=html or ?format=text\n");
    }
    const StatusPage page = sources_.status();
    if (query == "?format=json" || (query.empty() && Accepts(head, "application/json"))) {
      return Page(200, kJson, StatusJson(page));
    }
    if (query == "?format=html" || (query.empty() && Accepts(head, "text/html"))) {
      return Page(200, kHtml, StatusHtml(page));
    }
    return Page(200, kText, StatusText(page));
  }

  Metrics& metrics_;
  const Sources sources_;
};

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address, Metrics& metrics,
                                                            Sources sources) {
  std::unique_ptr<MetricsServer> self(
      new MetricsServer(std::make_unique<Pages>(metrics, std::move(sources))));
  const http::Options options{.address = address,
                              .listen_flag = "--metrics-listen",
                              .threads = kThreads,
                              .max_connections = kMaxConnections,
                              .timeout = kTimeout,
                              .timeout_flag = {},
                              .max_body_bytes = 0,
                              .tls = std::nullopt,
                              .on_refusal = {}};
  auto server = http::Server::Start(options, *self->pages_);
  if (!server.ok()) {
    return server.status();
  }
  self->http_ = std::move(server).value();
  return self;
}

MetricsServer::MetricsServer(std::unique_ptr<Pages> pages) : pages_(std::move(pages)) {}
MetricsServer::~MetricsServer() = default;

}  // namespace spikeserve::serving
