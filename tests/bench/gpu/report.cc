#include "tests/bench/gpu/report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace spikeserve::bench {
namespace {

using nlohmann::json;

json ToJson(const GpuRow& row) {
  return {{"case", row.name},
          {"mode", row.mode},
          {"path", "cublas-digits"},
          {"backend", "cuda"},
          {"steps", row.steps},
          {"batch", row.batch},
          {"correct", row.correct},
          {"kernels_s", row.kernels_s},
          {"engine_s", row.engine_s},
          {"engine_p99_s", row.slow_s},
          {"engine_runs", row.engine_runs},
          {"neuron_steps_per_second", row.neuron_steps},
          {"macs_per_second", row.macs},
          {"inferences_per_second", row.kernels_s > 0 ? static_cast<double>(row.batch) / row.kernels_s : 0.0},
          {"floor_s", row.floor_s},
          {"binding", row.binding},
          {"per_step_fp32_s", row.per_step_fp32_s},
          {"per_step_tf32_s", row.per_step_tf32_s},
          {"forward_s", row.forward_s},
          {"same_class", row.same_class}};
}

// The rows of a file that are right; none where it is no report of this device.
json KeptRows(const std::string& path, const std::string& device) {
  std::ifstream file(path);
  const json old = json::parse(file, nullptr, false);
  json kept = json::array();
  if (!old.is_object() || old.value("device", "") != device || !old.contains("rows")) {
    return kept;
  }
  for (const json& row : old["rows"]) {
    if (row.value("correct", false)) {
      kept.push_back(row);
    }
  }
  return kept;
}

bool IsOf(const json& row, const std::string& name, std::int64_t batch) {
  return row.at("case") == name && row.at("batch") == batch;
}

}  // namespace

void Print(const GpuRow& row) {
  if (!row.correct) {
    std::printf("%-24s batch %5ld  WRONG: bytes differ from the CPU's, no time\n", row.name.c_str(),
                static_cast<long>(row.batch));
    return;
  }
  std::printf("%-24s batch %5ld  kernels %10.1f us  engine %10.1f us (p99 %.1f)  %12.0f inf/s",
              row.name.c_str(), static_cast<long>(row.batch), row.kernels_s * 1e6, row.engine_s * 1e6,
              row.slow_s * 1e6, static_cast<double>(row.batch) / row.kernels_s);
  std::printf("  %9.3g neuron steps/s  %9.3g MAC/s  %5.1f %% of %-14s", row.neuron_steps, row.macs,
              100 * row.floor_s / row.kernels_s, row.binding.c_str());
  if (row.per_step_fp32_s > 0) {
    std::printf("  per step: fp32 x%.1f, TF32 x%.1f, same class %.1f %%", row.per_step_fp32_s / row.kernels_s,
                row.per_step_tf32_s / row.kernels_s, 100 * row.same_class);
  }
  if (row.forward_s > 0) {
    std::printf("  price of time %.2f", row.kernels_s / row.forward_s);
  }
  std::printf("\n");
  std::fflush(stdout);
}

GpuReport::GpuReport(std::string path, std::string device) : path_(std::move(path)) {
  json_ = {{"device", device}, {"ceilings", json::object()}, {"rows", KeptRows(path_, device)}};
}

std::vector<std::int64_t> GpuReport::Missing(const std::string& name,
                                             const std::vector<std::int64_t>& batches) const {
  std::vector<std::int64_t> missing;
  std::copy_if(batches.begin(), batches.end(), std::back_inserter(missing), [&](std::int64_t batch) {
    const json& rows = json_["rows"];
    return std::none_of(rows.begin(), rows.end(), [&](const json& row) { return IsOf(row, name, batch); });
  });
  return missing;
}

void GpuReport::Add(const GpuRow& row) {
  json_["rows"].push_back(ToJson(row));
  if (!path_.empty()) {
    Write();
  }
}

// In one go: who is stopped while writing leaves the file before.
void GpuReport::Write() const {
  const std::string next = path_ + ".next";
  std::ofstream file(next);
  file << json_.dump(1) << '\n';
  file.close();
  if (!file) {
    throw std::runtime_error("cannot write " + next);
  }
  std::filesystem::rename(next, path_);
}

}  // namespace spikeserve::bench
