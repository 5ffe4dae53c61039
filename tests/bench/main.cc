// The CPU benchmark: what the machine can do, then the engine against the step loop and the float network,
// case by case, in one run. A case that is not right prints no time.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/case_run.h"

namespace spikeserve::bench {
namespace {

struct Options {
  RunOptions run;
  std::string data = "build/bench-data", json = "build/bench.json", only, alone;
  AloneOptions how;  // of `alone`
  bool quick = false;
};

Machine ProbeMachine(const RunOptions& options) {
  Machine machine;
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line) && machine.processor.empty();) {
    if (line.starts_with("model name")) {
      machine.processor = line.substr(line.find(": ") + 2);
    }
  }
  if (getloadavg(&machine.load, 1) != 1) {
    machine.load = -1;
  }
  for (const std::int64_t threads : options.threads) {
    machine.ceilings.push_back(ProbeCeilings(threads, 0.3));
  }
  return machine;
}

// True where every case was right.
bool RunAll(const Options& options) {
  const Machine machine = ProbeMachine(options.run);
  PrintMachine(machine);
  PrintHeader();
  std::vector<Row> rows;
  for (const Case& one : Cases()) {
    if (one.name.find(options.only) == std::string::npos) {
      continue;
    }
    RunCase(one, options.run, machine.ceilings, [&](Row row) {
      Print(row);
      rows.push_back(std::move(row));
      WriteJson(options.json, machine, rows);
    });
  }
  if (rows.empty()) {
    throw std::runtime_error("no case is called " + options.only);
  }
  return std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.correct; });
}

void RunOneAlone(const Options& options) {
  for (const Case& one : Cases()) {
    if (one.name != options.alone) {
      continue;
    }
    const AloneResult result = RunAlone(one, options.how);
    std::printf("{\"case\": \"%s\", \"seconds\": %.9f, \"accuracy\": %.6f, \"peak_bytes\": %lld}\n",
                one.name.c_str(), result.seconds, result.accuracy, static_cast<long long>(PeakBytes()));
    return;
  }
  throw std::runtime_error("no case is called " + options.alone);
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("The CPU benchmark of spikeserve");
  app.add_option("--data", options.data, "folder with the files that tools/bench.sh makes");
  app.add_option("--json", options.json, "where the rows go");
  app.add_option("--case", options.only, "only cases with this in their name");
  app.add_option("--repetitions", options.run.repetitions, "times of each")->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.run.threads, "numbers of threads")->check(CLI::Range(1, 64));
  app.add_flag("--quick", options.quick, "few and short times");
  app.add_option("--alone", options.alone, "run this case once, print seconds and peak memory");
  app.add_option("--steps", options.how.steps, "of --alone")->check(CLI::PositiveNumber);
  app.add_option("--batch", options.how.batch, "of --alone")->check(CLI::PositiveNumber);
  app.add_option("--window", options.how.window_s, "seconds that --alone repeats its run for");
  app.add_option("--accuracy", options.how.accuracy_samples, "images that --alone classifies, not timed");
  const std::map<std::string, engine::Mode> modes = {{"exact", engine::Mode::kExact},
                                                     {"fast", engine::Mode::kFast},
                                                     {"int8", engine::Mode::kInt8},
                                                     {"reference", engine::Mode::kReference}};
  app.add_option("--mode", options.how.mode, "of --alone: exact, fast, int8 or reference")
      ->transform(CLI::CheckedTransformer(modes));
  CLI11_PARSE(app, argc, argv);
  options.run.data = options.how.data = options.data;
  options.how.threads = options.run.threads.back();
  if (options.quick) {
    options.run.repetitions = std::min(options.run.repetitions, 3);
    options.run.window_s = 0.02;
  }
  try {
    if (!options.alone.empty()) {
      RunOneAlone(options);
      return 0;
    }
    return RunAll(options) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace spikeserve::bench

int main(int argc, char** argv) { return spikeserve::bench::Main(argc, argv); }
