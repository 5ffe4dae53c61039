// The GPU benchmark: what the card can do, then the engine on it against the per-step design, case by case. A
// case whose bytes are not those of the CPU prints no time.
//   gpu_bench [--case NAME] [--json FILE] [--repetitions N]
// FILE has every row as soon as it is measured; those that it has already, of the same card, are not measured
// again.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime/cuda_device.h"
#include "server/engine/cuda/network.h"
#include "server/engine/cuda/pipeline.h"
#include "server/engine/make_backend.h"
#include "server/engine/plan/compile.h"
#include "tests/bench/gpu/cases.h"
#include "tests/bench/gpu/ceilings.h"
#include "tests/bench/gpu/per_step.h"
#include "tests/bench/gpu/report.h"
#include "tests/support/cuda_backends.h"
#include "tests/support/random.h"
#include "tests/support/reading_bytes.h"

namespace spikeserve::bench {
namespace {

using engine::Index;
using testing::Sample;

constexpr std::int64_t kGateSamples = 2;
constexpr int kManyRuns = 100, kLeastRuns = 7;
constexpr double kMostSeconds = 4;      // for all runs of one kind of one row, beyond the least
constexpr double kPerStepBytes = 24e9;  // of memory that the per-step design may take

struct Options {
  std::string only;
  std::string json;
  int repetitions = 7;
};

double Since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// In order, without the first two: `most` of them, or fewer where they take long.
template <typename Body>
std::vector<double> WallTimes(int most, Body body) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<double> times;
  for (int i = 0; i < most + 2 && (i < kLeastRuns + 2 || Since(begin) < kMostSeconds); ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    if (i >= 2) {
      times.push_back(Since(start));
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

template <typename Body>
double MedianWall(int repetitions, Body body) {
  const std::vector<double> times = WallTimes(repetitions, body);
  return times[times.size() / 2];
}

engine::SimulationSpec SpecOf(const Case& one) {
  engine::SimulationSpec spec;
  spec.settings.steps = one.steps;
  spec.inputs = {{engine::DataType::kFloat32, false}};
  spec.probes = {0};
  return spec;
}

std::string NameOf(engine::Mode mode) {
  switch (mode) {
    case engine::Mode::kFast: return "fast";
    case engine::Mode::kInt8: return "int8";
    case engine::Mode::kExact:
    case engine::Mode::kReference: break;
  }
  return "exact";
}

class CaseRun {
 public:
  CaseRun(const Case& one, const Ceilings& ceilings, const Options& options)
      : case_(one),
        ceilings_(ceilings),
        options_(options),
        device_(cuda::MakeCudaDevice(0)),
        network_(std::make_shared<engine::Network>(engine::Network::Create(one.definition, {}).value())),
        plan_(engine::Compile(network_, {}, engine::LargestWeight(one.mode)).value()),
        weights_(*device_, plan_),
        gpu_(engine::MakeBackend({.kind = "cuda"}).value()),
        resident_(testing::LoadOn(*gpu_, one.definition, one.mode)),
        spec_(SpecOf(one)) {
    testing::Random random(3);
    const std::int64_t most = *std::max_element(one.batches.begin(), one.batches.end());
    values_ = random.Floats(most * plan_.populations[0].size, 0, 1);
    correct_ = IsCorrect();
  }

  GpuRow Run(std::int64_t batch) {
    GpuRow row;
    row.name = case_.name;
    row.batch = batch;
    row.steps = case_.steps;
    row.mode = NameOf(case_.mode);
    row.correct = correct_;
    if (!correct_) {
      return row;
    }
    const std::vector<engine::SampleInputs> inputs = Inputs(batch);
    row.kernels_s = KernelSeconds(inputs);
    const std::vector<double> times = WallTimes(kManyRuns, [&] { Outputs(inputs); });
    row.engine_s = times[times.size() / 2];
    row.slow_s = times[times.size() * 99 / 100];
    row.engine_runs = static_cast<std::int64_t>(times.size());
    SetFloor(batch, row);
    if (!case_.without_memory.operations.empty()) {
      row.forward_s = ForwardSeconds(batch);
    } else if (IsChain() && PerStepBytes(batch) < kPerStepBytes) {
      RunPerStep(inputs, row);
    }
    return row;
  }

 private:
  std::vector<engine::SampleInputs> Inputs(std::int64_t batch) const {
    std::vector<engine::SampleInputs> inputs(Index(batch));
    for (std::int64_t i = 0; i < batch; ++i) {
      inputs[Index(i)].data = {
          reinterpret_cast<const std::byte*>(values_.data() + i * plan_.populations[0].size)};
    }
    return inputs;
  }

  engine::Reading ReadingOf(const engine::ResidentNetwork& network,
                            const std::vector<engine::SampleInputs>& inputs) {
    auto simulation = testing::NewSimulation(network, spec_, inputs);
    if (!simulation.ok() || !simulation.value()->Advance(case_.steps).ok()) {
      throw std::runtime_error(case_.name + ": " + simulation.status().message());
    }
    return simulation.value()->Read().value();
  }
  std::vector<double> Outputs(const std::vector<engine::SampleInputs>& inputs) {
    return ReadingOf(*resident_, inputs).probes[0].values;
  }

  bool IsCorrect() {
    const auto cpu = engine::MakeBackend({.kind = "cpu"}).value();  // all cores
    const auto on_cpu = testing::LoadOn(*cpu, case_.definition, case_.mode);
    const std::vector<engine::SampleInputs> inputs = Inputs(kGateSamples);
    const engine::Reading wanted = ReadingOf(*on_cpu, inputs);
    const engine::Reading got = ReadingOf(*resident_, inputs);
    return testing::ReadingBytes(got, 0) == testing::ReadingBytes(wanted, 0) &&
           testing::ReadingBytes(got, 1) == testing::ReadingBytes(wanted, 1);
  }

  // Whole runs one after the other, as graphs.
  double KernelSeconds(const std::vector<engine::SampleInputs>& inputs) {
    const engine::CheckedSpec spec = engine::CheckedSpec::Create(*network_, spec_).value();
    engine::CudaDemand demand = engine::DemandOf(engine::CudaRun(plan_, weights_, spec));
    const auto launch =
        engine::ShapeCudaLaunch(demand, static_cast<std::int64_t>(inputs.size()), device_->limits());
    engine::CudaWorkspace workspace(*device_, plan_, weights_, spec, launch.value());
    engine::CudaPipeline(workspace).Feed(inputs);
    workspace.WaitForAll();
    constexpr int kRuns = 5;  // behind each other: the device never waits for the host
    return MedianWall(options_.repetitions,
                      [&] {
                        for (int i = 0; i < kRuns; ++i) {
                          workspace.RunState();
                          workspace.RunInputs();
                          const std::int64_t chunk =
                              workspace.run().takes_steps ? launch.value().chunk : case_.steps;
                          for (std::int64_t done = 0; done < case_.steps; done += chunk) {
                            workspace.RunChunk(std::min(chunk, case_.steps - done), false);
                          }
                          workspace.Settle();
                        }
                        workspace.work().Wait();
                      }) /
           kRuns;
  }

  void SetFloor(std::int64_t batch, GpuRow& row) const {
    const Work work = CountWork(plan_, case_.steps);
    const auto samples = static_cast<double>(batch);
    row.neuron_steps = samples * work.neuron_steps / row.kernels_s;
    row.macs = samples * (work.macs + work.byte_macs + work.held_macs) / row.kernels_s;
    const double digits = case_.mode == engine::Mode::kInt8 ? 1 : 3;
    constexpr double kSumBytes = 8 + 8 + 2 + 2;  // two digits' sums there and back, spikes there and back
    const std::vector<std::pair<std::string, double>> needs = {
        {"fp16 product", samples * work.macs * 4 / ceilings_.fp16_flops},
        {"int8 product", samples * work.byte_macs * 2 * digits / ceilings_.int8_ops},
        {"fp32 product", samples * work.held_macs * 2 / ceilings_.fp32_flops},
        {"scan", samples * work.neuron_steps / ceilings_.neuron_steps},
        {"L2", work.macs > 0 ? samples * work.neuron_steps * kSumBytes / ceilings_.l2_bytes : 0},
        {"copy (weights)", work.weights * 4 / ceilings_.copy_bytes},
        {"graph nodes", 4 * static_cast<double>(plan_.layers.size()) * ceilings_.node_s}};
    const auto most = std::max_element(needs.begin(), needs.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    row.binding = most->first;
    row.floor_s = most->second;
  }

  // What the per-step design is written for.
  bool IsChain() const {
    return std::all_of(plan_.layers.begin(), plan_.layers.end(),
                       [](const engine::Layer& layer) { return layer.terms.size() == 1; });
  }

  double PerStepBytes(std::int64_t batch) const {
    double bytes = 0;
    for (const engine::Layer& layer : plan_.layers) {
      const kernels::Product& product = layer.terms.at(0).product;
      const double depth = static_cast<double>(product.conv.kernel_height * product.conv.kernel_width *
                                               product.conv.in_channels);
      const bool conv = product.kind == kernels::ProductKind::kConv;
      bytes += 4 * static_cast<double>(batch) *
               (4 * static_cast<double>(layer.size) +
                (conv ? depth * static_cast<double>(product.conv.out_height * product.conv.out_width) : 0));
    }
    return bytes;
  }

  void RunPerStep(const std::vector<engine::SampleInputs>& inputs, GpuRow& row) {
    const auto batch = static_cast<std::int64_t>(inputs.size());
    const std::vector<engine::LayerConstants> constants = engine::MakeConstants(plan_, spec_);
    const std::vector<float> values(values_.begin(), values_.begin() + batch * plan_.populations[0].size);
    for (const bool tf32 : {false, true}) {
      const auto per_step = MakePerStep(plan_, constants, values, batch, case_.steps, tf32);
      (tf32 ? row.per_step_tf32_s : row.per_step_fp32_s) = per_step->Seconds(options_.repetitions);
      if (!tf32) {
        row.same_class = SameClass(Outputs(inputs), per_step->Outputs(), batch);
      }
    }
    row.forward_s = MakePerStep(plan_, constants, values, batch, 1, false)->Seconds(options_.repetitions);
  }

  // One float32 pass of the network.
  double ForwardSeconds(std::int64_t batch) {
    const auto network =
        std::make_shared<engine::Network>(engine::Network::Create(case_.without_memory, {}).value());
    const engine::Plan plan = engine::Compile(network, {}).value();
    const std::vector<float> values(values_.begin(), values_.begin() + batch * plan_.populations[0].size);
    return MakePerStep(plan, engine::MakeConstants(plan, spec_), values, batch, 1, false)
        ->Seconds(options_.repetitions);
  }

  static double SameClass(const std::vector<double>& a, const std::vector<float>& b, std::int64_t batch) {
    const std::size_t size = a.size() / Index(batch);
    std::int64_t same = 0;
    for (std::size_t i = 0; i < Index(batch); ++i) {
      const auto of_a = std::max_element(a.begin() + static_cast<std::ptrdiff_t>(i * size),
                                         a.begin() + static_cast<std::ptrdiff_t>((i + 1) * size)) -
                        a.begin();
      const auto of_b = std::max_element(b.begin() + static_cast<std::ptrdiff_t>(i * size),
                                         b.begin() + static_cast<std::ptrdiff_t>((i + 1) * size)) -
                        b.begin();
      same += of_a == of_b ? 1 : 0;
    }
    return static_cast<double>(same) / static_cast<double>(batch);
  }

  const Case& case_;
  const Ceilings& ceilings_;
  const Options& options_;
  const std::unique_ptr<cuda::Device> device_;
  const std::shared_ptr<const engine::Network> network_;
  const engine::Plan plan_;
  const engine::CudaWeights weights_;
  const std::unique_ptr<engine::Backend> gpu_;
  const std::unique_ptr<engine::ResidentNetwork> resident_;
  const engine::SimulationSpec spec_;
  std::vector<float> values_;
  bool correct_ = false;
};

Options Parse(int count, char** words) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    if (std::strcmp(words[i], "--case") == 0) {
      options.only = words[i + 1];
    } else if (std::strcmp(words[i], "--json") == 0) {
      options.json = words[i + 1];
    } else if (std::strcmp(words[i], "--repetitions") == 0) {
      options.repetitions = std::max(1, std::atoi(words[i + 1]));
    }
  }
  return options;
}

Ceilings ShowCeilings(GpuReport& report) {
  const Ceilings ceilings = MeasureCeilings();
  nlohmann::json json;
  for (const Line& line : LinesOf(ceilings)) {
    std::printf("  %-14s %10.2f %s\n", line.name.c_str(), line.value, line.unit.c_str());
    json[line.name + " (" + line.unit + ")"] = line.value;
  }
  report.SetCeilings(std::move(json));
  return ceilings;
}

// Whether all of them are right.
bool RunBatches(const Case& one, const std::vector<std::int64_t>& batches, const Ceilings& ceilings,
                const Options& options, GpuReport& report) {
  CaseRun run(one, ceilings, options);
  bool correct = true;
  for (const std::int64_t batch : batches) {
    const GpuRow row = run.Run(batch);
    report.Add(row);
    Print(row);
    correct = correct && row.correct;
  }
  return correct;
}

// Whether all cases ran and are right. One that fails does not keep the others from running.
bool RunCases(const Options& options, GpuReport& report) {
  std::optional<Ceilings> ceilings;
  bool correct = true;
  for (const Case& one : MakeCases(options.only)) {
    const std::vector<std::int64_t> missing = report.Missing(one.name, one.batches);
    if (missing.empty()) {
      continue;
    }
    if (!ceilings) {
      ceilings = ShowCeilings(report);
    }
    try {
      correct = RunBatches(one, missing, *ceilings, options, report) && correct;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "gpu_bench: %s: %s\n", one.name.c_str(), error.what());
      correct = false;
    }
  }
  return correct;
}

int Main(const Options& options) {
  if (cuda::CudaDeviceCount() == 0) {
    std::printf("gpu_bench: no GPU, nothing measured\n");
    return 77;
  }
  const std::string device = cuda::MakeCudaDevice(0)->name();
  std::printf("%s\n", device.c_str());
  GpuReport report(options.json, device);
  return RunCases(options, report) ? 0 : 1;
}

}  // namespace
}  // namespace spikeserve::bench

int main(int count, char** words) {
  try {
    return spikeserve::bench::Main(spikeserve::bench::Parse(count, words));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_bench: %s\n", error.what());
    return 1;
  }
}
