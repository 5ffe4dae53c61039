#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/plan/quantise.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::engine {

// kFast and kInt8 are kExact with integers of 16 and 8 instead of 22 bits for the weights that spikes meet;
// kReference is float64, step by step, on the CPU.
enum class Mode { kExact, kFast, kReference, kInt8 };
constexpr std::int32_t LargestWeight(Mode mode) {
  switch (mode) {
    case Mode::kFast: return kFastLargestWeight;
    case Mode::kInt8: return kInt8LargestWeight;
    case Mode::kExact:
    case Mode::kReference: break;
  }
  return kExactLargestWeight;
}

// A device that networks can be resident on. Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;
  // "cpu" or "cuda".
  virtual std::string name() const = 0;
  // Upper bound of ResidentNetwork::bytes(), known before anything is allocated.
  virtual Result<std::int64_t> EstimateBytes(const Network& network, Mode mode) const = 0;
  // Compiles the network and puts it on the device. `network` is kept alive by the result.
  virtual Result<std::unique_ptr<ResidentNetwork>> Load(std::shared_ptr<const Network> network, Mode mode,
                                                        const StopCheck& stopped = {}) const = 0;
  // The device as its maker calls it; empty for the machine's own processor.
  virtual std::string device_name() const { return {}; }
  // Devices that batches are spread over.
  virtual std::int64_t device_count() const { return 1; }
  // Memory of the device; 0: it is the machine's own.
  virtual std::int64_t memory_bytes() const { return 0; }
  // OK while the device works; else what broke it for good.
  virtual Status Health() const { return {}; }
};

}  // namespace spikeserve::engine
