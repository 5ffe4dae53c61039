#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace spikeserve::bench {

// One line of the GPU benchmark: a case with a batch. 0: not measured.
struct GpuRow {
  std::string name, mode;
  std::int64_t batch = 0, steps = 0;
  bool correct = false;
  double kernels_s = 0;               // inputs on the device, answers on the device
  double engine_s = 0;                // from the caller's memory and back
  double slow_s = 0;                  // the same, 99 of 100 times faster than this
  std::int64_t engine_runs = 0;       // that these two are of
  double neuron_steps = 0, macs = 0;  // per second of kernels_s: all that a dense simulator would do
  double floor_s = 0;                 // what the binding ceiling allows
  std::string binding;
  double per_step_fp32_s = 0, per_step_tf32_s = 0;
  double forward_s = 0;   // one float32 pass of the network
  double same_class = 0;  // share of samples with the class of the per-step design in float32
};

void Print(const GpuRow& row);

// All rows so far, in a file that is written anew with each: a run that is cut off keeps what it has, and the
// next one goes on from there. One thread.
class GpuReport {
 public:
  // Takes over what is in the file and right, if that is of the same device. `path` may be empty: no file.
  GpuReport(std::string path, std::string device);

  // Of the batches of a case, those without a row that is right.
  std::vector<std::int64_t> Missing(const std::string& name, const std::vector<std::int64_t>& batches) const;
  void SetCeilings(nlohmann::json ceilings) { json_["ceilings"] = std::move(ceilings); }
  // Throws std::runtime_error where the file cannot be written.
  void Add(const GpuRow& row);

 private:
  void Write() const;

  const std::string path_;
  nlohmann::json json_;
};

}  // namespace spikeserve::bench
