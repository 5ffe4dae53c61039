#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// A specification that its network can run: exists only if it keeps every rule. Immutable and cheap to copy,
// hence thread-safe.
class CheckedSpec {
 public:
  // INVALID_ARGUMENT, naming what is wrong.
  static Result<CheckedSpec> Create(const Network& network, SimulationSpec spec);

  // The same with inputs of these formats, one per Input operation. INVALID_ARGUMENT where one has an
  // encoding that does not suit.
  Result<CheckedSpec> WithInputs(const std::vector<InputFormat>& inputs) const;

  // The same without in_one.
  CheckedSpec InChunks() const;

  // Whether it was checked against this network.
  bool IsOf(const Network& network) const { return network_ == &network; }

  const SimulationSpec& operator*() const { return *spec_; }
  const SimulationSpec* operator->() const { return spec_.get(); }
  bool operator==(const CheckedSpec& other) const { return spec_ == other.spec_ || *spec_ == *other.spec_; }

 private:
  CheckedSpec(const Network& network, SimulationSpec spec)
      : network_(&network), spec_(std::make_shared<const SimulationSpec>(std::move(spec))) {}

  const Network* network_;  // to tell it from others, which may be gone
  std::shared_ptr<const SimulationSpec> spec_;
};

// INVALID_ARGUMENT where a sample lacks an input.
Status CheckSamples(const CheckedSpec& spec, std::span<const SampleInputs> samples);

// What a session of `count` samples goes on as when it is fed. INVALID_ARGUMENT, FAILED_PRECONDITION.
Result<CheckedSpec> FedSpec(const CheckedSpec& spec, const std::vector<InputFormat>& inputs,
                            std::span<const SampleInputs> samples, std::size_t count);

}  // namespace spikeserve::engine
