#include "server/app/reloader.h"

#include <utility>

namespace spikeserve::app {

void ReportDates(const CertificateDates& dates, serving::AccessMetrics& metrics, const rpc::EventLog& log) {
  metrics.SetCertificateExpiry(dates.until);
  const std::string warning = DateWarning(dates, std::chrono::system_clock::now());
  if (!warning.empty()) {
    log.Warn(
        "certificate_dates",
        {{"not_before", DateText(dates.from)}, {"not_after", DateText(dates.until)}, {"message", warning}});
  }
}

Reloader::Reloader(const Config& config, const Access& access, Uses uses)
    : config_(config),
      uses_(std::move(uses)),
      tls_(access.tls.has_value()),
      paths_(AccessFiles(config)),
      known_(access.states) {}

void Reloader::Reload(const std::string& reason) {
  const MutexLock lock(mu_);
  ReloadCallers(reason);
  if (tls_) {
    ReloadCertificate(reason);
  }
}

void Reloader::Watch(std::chrono::milliseconds period) {
  if (!paths_.empty()) {
    watch_ = std::make_unique<FileWatch>(paths_, known_, period, [this] { Reload("a file changed"); });
  }
}

void Reloader::StopWatching() { watch_.reset(); }

void Reloader::ReloadCallers(const std::string& reason) {
  const auto callers = ReadCallers(config_);
  if (callers.ok()) {
    uses_.authorizer.Replace(callers.value().tokens, callers.value().quotas);
  }
  Tell("tokens and quotas", reason, callers.status());
}

void Reloader::ReloadCertificate(const std::string& reason) {
  auto read = ReadTlsTexts(config_.tls);
  if (!read.ok()) {
    return Tell("certificate", reason, read.status());
  }
  if (!read.value()) {
    return;
  }
  const transport::TlsTexts& texts = *read.value();
  if (Status status = uses_.set_tls(texts); !status.ok()) {
    return Tell("certificate", reason, status);
  }
  ReportDates(ReadDates(texts.cert.pem), uses_.metrics, uses_.log);
  Tell("certificate", reason, {});
}

void Reloader::Tell(const std::string& what, const std::string& reason, const Status& status) {
  uses_.metrics.CountReload(what, status.ok());
  if (status.ok()) {
    uses_.log.Info("reloaded", {{"what", what}, {"reason", reason}});
  } else {
    uses_.log.Error(
        "reload_failed",
        {{"what", what}, {"reason", reason}, {"message", status.message() + "; what was in use stays"}});
  }
}

}  // namespace spikeserve::app
