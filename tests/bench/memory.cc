#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/cpu/cpu_path.h"
#include "tests/bench/case_run.h"
#include "tests/bench/engine_case.h"

namespace spikeserve::bench {
namespace {

double MedianSeconds(const std::function<void()>& body, double window) {
  std::vector<double> seconds;
  double sum = 0;
  do {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    sum += seconds.back();
  } while (sum < window);
  return Summarise(std::move(seconds)).median;
}

// Share of the samples whose largest output is the label's.
double Accuracy(const std::vector<double>& outputs, const std::vector<std::uint8_t>& labels,
                std::int64_t samples) {
  const auto size = static_cast<std::int64_t>(outputs.size()) / samples;
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < samples; ++i) {
    const auto first = outputs.begin() + i * size;
    right += std::max_element(first, first + size) - first == labels[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(samples);
}

}  // namespace

std::string ModeName(engine::Mode mode) {
  switch (mode) {
    case engine::Mode::kExact: return "exact";
    case engine::Mode::kFast: return "fast";
    case engine::Mode::kInt8: return "int8";
    case engine::Mode::kReference: break;
  }
  return "reference";
}

std::int64_t PeakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::stoll(line.substr(6)) * 1024;
    }
  }
  throw std::runtime_error("/proc/self/status has no VmHWM");
}

AloneResult RunAlone(const Case& one, const AloneOptions& options) {
  const std::int64_t steps = options.steps > 0 ? options.steps : one.steps;
  const LoadedCase loaded = LoadCase(one, options.data, std::max(options.batch, options.accuracy_samples));
  const EngineCase ours(loaded.network, options.mode, engine::CpuPath::kAuto, options.threads);
  EngineCase::Batch batch{std::as_bytes(std::span(loaded.floats)).data(), options.batch,
                          engine::DataType::kFloat32};
  if (one.bytes) {
    batch.data = std::as_bytes(std::span(loaded.bytes)).data();
    batch.type = engine::DataType::kUint8;
  }
  AloneResult result;
  result.seconds = MedianSeconds([&] { ours.Run(batch, steps); }, options.window_s);
  if (options.accuracy_samples > 0 && !loaded.labels.empty()) {
    batch.samples = options.accuracy_samples;
    result.accuracy = Accuracy(ours.Run(batch, steps), loaded.labels, batch.samples);
  }
  return result;
}

std::int64_t PeakBytesAlone(const Case& one, const AloneOptions& options) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "'" + program + "' --alone " + one.name + " --data '" + options.data.string() +
                              "' --batch " + std::to_string(options.batch) + " --threads " +
                              std::to_string(options.threads) + " --mode " + ModeName(options.mode);
  FILE* out = popen(command.c_str(), "r");
  if (out == nullptr) {
    return 0;
  }
  std::string text;
  for (int c = std::fgetc(out); c != EOF; c = std::fgetc(out)) {
    text += static_cast<char>(c);
  }
  if (pclose(out) != 0) {
    return 0;
  }
  return nlohmann::json::parse(text).at("peak_bytes").get<std::int64_t>();
}

}  // namespace spikeserve::bench
