#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "server/serving/requests/request.h"

namespace spikeserve::testing {

// Keeps what it is told. Thread-safe.
class RecordingSink final : public serving::ResultSink {
 public:
  bool WantsProgress() noexcept override { return !wants_progress || wants_progress(); }
  void OnProgress(engine::Reading reading) noexcept override {
    const std::lock_guard lock(mu_);
    progress_.push_back(std::move(reading));
  }
  void OnDone(const Status& status, serving::RunOutcome outcome) noexcept override {
    if (before_done) {
      before_done();
    }
    const std::lock_guard lock(mu_);
    ++answers_;
    status_ = status;
    outcome_ = std::move(outcome);
  }

  // Whether a progress is wanted; set before use.
  std::function<bool()> wants_progress;
  // Called first in OnDone; set before use.
  std::function<void()> before_done;

  int answers() const {
    const std::lock_guard lock(mu_);
    return answers_;
  }
  // OK too where there is no answer.
  Status status() const {
    const std::lock_guard lock(mu_);
    return status_;
  }
  const serving::RunOutcome& outcome() const { return outcome_; }
  const std::vector<engine::Reading>& progress() const { return progress_; }

 private:
  mutable std::mutex mu_;
  int answers_ = 0;
  Status status_;
  serving::RunOutcome outcome_;
  std::vector<engine::Reading> progress_;
};

// Ten steps of SmallMlp.
inline engine::SimulationSpec SmallSpec() {
  engine::SimulationSpec spec;
  spec.settings.steps = 10;
  spec.inputs = {{engine::DataType::kFloat32, false}};
  spec.probes = {0};
  return spec;
}

// Replaces the spec of a request by one that `change` has changed.
template <typename Change>
void ChangeSpec(serving::Request& request, Change change) {
  engine::SimulationSpec spec = *request.spec;
  change(spec);
  request.spec = engine::CheckedSpec::Create(*request.network->network, std::move(spec)).value();
}

// A request for samples of SmallMlp, each with this first value; the sink outlives it.
inline serving::Request MakeRequest(const serving::NetworkHandle& network,
                                    const std::vector<float>& first_values, serving::ResultSink& sink,
                                    const engine::SimulationSpec& spec = SmallSpec()) {
  serving::Request request(network, engine::CheckedSpec::Create(*network->network, spec).value());
  auto data = std::make_shared<std::vector<float>>();
  for (const float value : first_values) {
    data->insert(data->end(), {value, 0.0F});
  }
  for (std::size_t i = 0; i < first_values.size(); ++i) {
    request.samples.push_back({{reinterpret_cast<const std::byte*>(data->data() + 2 * i)}});
  }
  request.input_bytes = std::move(data);
  request.sink = &sink;
  return request;
}

}  // namespace spikeserve::testing
