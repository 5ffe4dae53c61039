// A library with the functions of NVML that the server looks for, of a machine with three GPUs: one that is
// half busy, one of which no use is known, as of a part of a GPU, and one that fell off the bus.
#include <cstdint>
#include <cstdio>

namespace {

constexpr int kSuccess = 0;
constexpr int kNotSupported = 3;
constexpr int kGpuIsLost = 15;

struct Utilization {
  unsigned gpu;
  unsigned memory;
};
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

std::uintptr_t Number(void* device) { return reinterpret_cast<std::uintptr_t>(device); }

}  // namespace

extern "C" {

int nvmlInit_v2() { return kSuccess; }
int nvmlShutdown() { return kSuccess; }
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 3;
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = reinterpret_cast<void*>(std::uintptr_t{index} + 1);
  return kSuccess;
}
int nvmlDeviceGetUUID(void* device, char* text, unsigned length) {
  std::snprintf(text, length, "GPU-%u", static_cast<unsigned>(Number(device)));
  return kSuccess;
}
int nvmlDeviceGetUtilizationRates(void* device, Utilization* use) {
  *use = {50, 20};
  return Number(device) == 1 ? kSuccess : kNotSupported;
}
int nvmlDeviceGetMemoryInfo(void* device, Memory* memory) {
  *memory = {4000, 3000, 1000};
  return Number(device) == 3 ? kGpuIsLost : kSuccess;
}

}  // extern "C"
