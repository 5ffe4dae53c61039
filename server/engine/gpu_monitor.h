#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace spikeserve::engine {

// How busy one GPU is and how full, whoever uses it.
struct GpuUse {
  std::string id;                     // its UUID
  std::optional<double> utilization;  // share of the last moment in which kernels ran; not known of parts
  std::int64_t memory_used_bytes = 0;
  std::int64_t memory_total_bytes = 0;
};

// Asks the driver's own library, NVML, which is looked for when this is opened: nothing of it is needed to
// build or to start. Thread-safe.
class GpuMonitor {
 public:
  // Null where there is no such library, or no GPU that it knows.
  static std::unique_ptr<GpuMonitor> Open(const char* library = "libnvidia-ml.so.1");
  ~GpuMonitor();

  // Of all GPUs that this process may see; one that does not answer is left out.
  std::vector<GpuUse> Read() const;

 private:
  struct Library;
  explicit GpuMonitor(std::unique_ptr<Library> library);

  const std::unique_ptr<Library> library_;
};

}  // namespace spikeserve::engine
