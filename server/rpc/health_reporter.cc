#include "server/rpc/health_reporter.h"

namespace spikeserve::rpc {

void HealthReporter::Attach(grpc::HealthCheckServiceInterface& service) {
  const MutexLock lock(mu_);
  service_ = &service;
  for (const auto& [name, ready] : ready_) {
    service_->SetServingStatus(name, ready);
  }
}

void HealthReporter::Leave() {
  const MutexLock lock(mu_);
  leaving_ = true;
  for (auto& [name, ready] : ready_) {
    ready = false;
  }
  if (service_ != nullptr) {
    service_->Shutdown();
  }
}

void HealthReporter::Detach() {
  const MutexLock lock(mu_);
  service_ = nullptr;
}

void HealthReporter::SetNetwork(const std::string& name, bool ready) {
  const MutexLock lock(mu_);
  if (leaving_ || (ready_.size() >= kMaxNames && ready_.count(name) == 0)) {
    return;
  }
  ready_[name] = ready;
  if (service_ != nullptr) {
    service_->SetServingStatus(name, ready);
  }
}

bool HealthReporter::server_ready() const {
  const MutexLock lock(mu_);
  return ready_.at("");
}

}  // namespace spikeserve::rpc
