#include "server/engine/gpu_monitor.h"

#include <dlfcn.h>

#include <array>
#include <utility>

namespace spikeserve::engine {
namespace {

// What NVML's functions take and return.
using Device = void*;
constexpr int kSuccess = 0;
struct Utilization {
  unsigned gpu;  // percent
  unsigned memory;
};
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

struct GpuMonitor::Library {
  ~Library() {
    if (started) {
      shutdown();
    }
    if (handle != nullptr) {
      dlclose(handle);
    }
  }

  bool Start(const char* name);

  void* handle = nullptr;
  bool started = false;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*device)(unsigned, Device*) = nullptr;
  int (*uuid)(Device, char*, unsigned) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  int (*memory)(Device, Memory*) = nullptr;
};

bool GpuMonitor::Library::Start(const char* name) {
  handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr || !Find(handle, "nvmlInit_v2", init) || !Find(handle, "nvmlShutdown", shutdown) ||
      !Find(handle, "nvmlDeviceGetCount_v2", count) ||
      !Find(handle, "nvmlDeviceGetHandleByIndex_v2", device) || !Find(handle, "nvmlDeviceGetUUID", uuid) ||
      !Find(handle, "nvmlDeviceGetUtilizationRates", utilization) ||
      !Find(handle, "nvmlDeviceGetMemoryInfo", memory)) {
    return false;
  }
  started = init() == kSuccess;
  unsigned devices = 0;
  return started && count(&devices) == kSuccess && devices > 0;
}

std::unique_ptr<GpuMonitor> GpuMonitor::Open(const char* library) {
  auto opened = std::make_unique<Library>();
  if (!opened->Start(library)) {
    return nullptr;
  }
  return std::unique_ptr<GpuMonitor>(new GpuMonitor(std::move(opened)));
}

GpuMonitor::GpuMonitor(std::unique_ptr<Library> library) : library_(std::move(library)) {}
GpuMonitor::~GpuMonitor() = default;

std::vector<GpuUse> GpuMonitor::Read() const {
  std::vector<GpuUse> uses;
  unsigned devices = 0;
  if (library_->count(&devices) != kSuccess) {
    return uses;
  }
  for (unsigned i = 0; i < devices; ++i) {
    Device device = nullptr;
    std::array<char, 128> id{};
    Memory memory{};
    if (library_->device(i, &device) != kSuccess ||
        library_->uuid(device, id.data(), static_cast<unsigned>(id.size())) != kSuccess ||
        library_->memory(device, &memory) != kSuccess) {
      continue;
    }
    GpuUse use{id.data(), std::nullopt, static_cast<std::int64_t>(memory.used),
               static_cast<std::int64_t>(memory.total)};
    Utilization utilization{};
    if (library_->utilization(device, &utilization) == kSuccess) {
      constexpr double kPercent = 100;
      use.utilization = utilization.gpu / kPercent;
    }
    uses.push_back(std::move(use));
  }
  return uses;
}

}  // namespace spikeserve::engine
