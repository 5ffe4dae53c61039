#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/engine/network.h"
#include "server/engine/quantise.h"
#include "server/engine/simulation.h"

namespace spikeserve::engine {

// kFast is kExact with integers of 16 instead of 22 bits for the weights that spikes meet; kReference is
// float64, step by step, on the CPU.
enum class Mode { kExact, kFast, kReference };
constexpr std::int32_t LargestWeight(Mode mode) {
  return mode == Mode::kFast ? kFastLargestWeight : kExactLargestWeight;
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

constexpr std::int64_t kMaxThreads = 1024;

// Which loops the CPU runs exact and fast mode with. The results are the same to the bit; tests compare them.
// kEvents and kDigits force one of the fast paths where it can run a layer at all, kChanges that of events by
// what changes from step to step where that can be.
enum class CpuPath { kAuto, kPlain, kEvents, kChanges, kDigits };

struct BackendOptions {
  std::string kind = "auto";  // auto | cpu | cuda
  std::int64_t threads = 0;   // CPU worker threads; 0: one per core
  CpuPath cpu_path = CpuPath::kAuto;
};

// INVALID_ARGUMENT for an unknown kind, FAILED_PRECONDITION for one this machine lacks. `auto` takes a GPU
// that works and else the CPU; `reason`, where given, says then why no GPU is used.
Result<std::unique_ptr<Backend>> MakeBackend(const BackendOptions& options, std::string* reason = nullptr);

}  // namespace spikeserve::engine
