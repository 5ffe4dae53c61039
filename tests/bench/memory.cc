#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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

std::int64_t PeakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  throw std::runtime_error("/proc/self/status has no VmHWM");
}

AloneResult RunAlone(const Case& one, const AloneOptions& options) {
  const std::int64_t steps = options.steps > 0 ? options.steps : one.steps;
  const LoadedCase loaded = LoadCase(one, options.data, std::max(options.batch, options.accuracy_samples));
  const EngineCase ours(loaded.network, engine::Mode::kExact, engine::CpuPath::kAuto, options.threads);
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
  std::vector<std::string> words{"bench",
                                 "--alone",
                                 one.name,
                                 "--data",
                                 options.data.string(),
                                 "--batch",
                                 std::to_string(options.batch),
                                 "--threads",
                                 std::to_string(options.threads)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return 0;
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) return 0;
  return usage.ru_maxrss * 1024;
}

}  // namespace spikeserve::bench
