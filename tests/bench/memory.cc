#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/bench/case_run.h"
#include "tests/bench/engine_case.h"

namespace spikeserve::bench {

std::int64_t PeakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  }
  throw std::runtime_error("/proc/self/status has no VmHWM");
}

double RunAlone(const Case& one, const std::filesystem::path& data, std::int64_t steps, std::int64_t batch,
                std::int64_t threads) {
  const LoadedCase loaded = LoadCase(one, data, batch);
  const EngineCase ours(loaded.network, engine::Mode::kExact, engine::CpuPath::kAuto, threads);
  const auto* bytes = one.bytes ? std::as_bytes(std::span(loaded.bytes)).data()
                                : std::as_bytes(std::span(loaded.floats)).data();
  const auto start = std::chrono::steady_clock::now();
  ours.Run({bytes, batch, one.bytes ? engine::DataType::kUint8 : engine::DataType::kFloat32}, steps);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::int64_t PeakBytesAlone(const Case& one, const std::filesystem::path& data, std::int64_t steps,
                            std::int64_t batch, std::int64_t threads) {
  std::vector<std::string> words{"bench", "--alone", one.name, "--data", data.string(), "--steps",
                                 std::to_string(steps), "--batch", std::to_string(batch), "--threads",
                                 std::to_string(threads)};
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
