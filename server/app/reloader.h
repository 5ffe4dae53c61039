#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/app/certificate.h"
#include "server/app/config.h"
#include "server/app/credentials.h"
#include "server/app/file_watch.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/access/authorizer.h"
#include "server/rpc/context/event_log.h"
#include "server/serving/metrics/access_metrics.h"

namespace spikeserve::app {

// Puts the files of tokens, quotas and certificates into use again: when it is told to, and when they change.
// What cannot be used is logged and counted, and what was in use before stays. Thread-safe.
class Reloader {
 public:
  // Where things are put into use; all of it outlives the reloader. `set_tls` gets a certificate that was
  // checked; what it answers is logged.
  struct Uses {
    rpc::Authorizer& authorizer;
    serving::AccessMetrics& metrics;
    const rpc::EventLog& log;
    std::function<Status(const transport::TlsTexts& texts)> set_tls;
  };

  // `access` is what is in use, and was read from the files of `config`.
  Reloader(const Config& config, const Access& access, Uses uses);

  // Reads all files again. `reason` is for the log.
  void Reload(const std::string& reason);
  // From now on also where a file changes, or a link on the way to it.
  void Watch(std::chrono::milliseconds period);
  // Not any more; waits for a reload under way.
  void StopWatching();

 private:
  void ReloadCallers(const std::string& reason) SPIKESERVE_REQUIRES(mu_);
  void ReloadCertificate(const std::string& reason) SPIKESERVE_REQUIRES(mu_);
  void Tell(const std::string& what, const std::string& reason, const Status& status);

  const Config config_;
  const Uses uses_;
  const bool tls_;
  const std::vector<std::string> paths_;
  const std::vector<FileState> known_;
  Mutex mu_;
  std::unique_ptr<FileWatch> watch_;
};

// Shows the dates of a certificate in the metrics, and warns of it where a client will not take it now.
void ReportDates(const CertificateDates& dates, serving::AccessMetrics& metrics, const rpc::EventLog& log);

}  // namespace spikeserve::app
