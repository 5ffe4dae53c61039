// The GPU benchmark: what the card can do, then the engine on it against the per-step design, case by case. A
// case whose bytes are not those of the CPU prints no time.
//   gpu_bench [--case NAME] [--json FILE] [--repetitions N]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/runtime/cuda_device.h"
#include "server/engine/cuda_network.h"
#include "server/engine/cuda_pipeline.h"
#include "tests/bench/gpu/cases.h"
#include "tests/bench/gpu/ceilings.h"
#include "tests/bench/gpu/per_step.h"
#include "tests/support/cuda_backends.h"
#include "tests/support/random.h"
#include "tests/support/reading_bytes.h"

namespace spikeserve::bench {
namespace {

using engine::Index;
using testing::Sample;

constexpr std::int64_t kGateSamples = 2;
constexpr int kManyRuns = 100;
constexpr double kPerStepBytes = 24e9;  // of memory that the per-step design may take

struct Options {
  std::string only;
  std::string json;
  int repetitions = 7;
};

struct Row {
  std::string name, mode;
  std::int64_t batch = 0, steps = 0;
  bool correct = false;
  double kernels_s = 0;               // inputs on the device, answers on the device
  double engine_s = 0;                // from the caller's memory and back
  double slow_s = 0;                  // the same, 99 of 100 times faster than this
  double neuron_steps = 0, macs = 0;  // per second of kernels_s: all that a dense simulator would do
  double floor_s = 0;                 // what the binding ceiling allows
  std::string binding;
  double per_step_fp32_s = 0, per_step_tf32_s = 0;  // 0: not run
  double forward_s = 0;                             // one float32 pass of the network, likewise
  double same_class = 0;  // share of samples with the class of the per-step design in float32
};

double Since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// In order, without the first two.
template <typename Body>
std::vector<double> WallTimes(int repetitions, Body body) {
  std::vector<double> times;
  for (int i = 0; i < repetitions + 2; ++i) {
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
  return WallTimes(repetitions, body)[Index(repetitions / 2)];
}

engine::SimulationSpec SpecOf(const Case& one) {
  engine::SimulationSpec spec;
  spec.settings.steps = one.steps;
  spec.inputs = {{engine::DataType::kFloat32, false}};
  spec.probes = {0};
  return spec;
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

  Row Run(std::int64_t batch) {
    Row row;
    row.name = case_.name;
    row.batch = batch;
    row.steps = case_.steps;
    row.mode = case_.mode == engine::Mode::kFast ? "fast" : "exact";
    row.correct = correct_;
    if (!correct_) {
      return row;
    }
    const std::vector<engine::SampleInputs> inputs = Inputs(batch);
    row.kernels_s = KernelSeconds(inputs);
    const std::vector<double> times = WallTimes(kManyRuns, [&] { Outputs(inputs); });
    row.engine_s = times[times.size() / 2];
    row.slow_s = times[times.size() * 99 / 100];
    SetFloor(batch, row);
    if (IsChain() && PerStepBytes(batch) < kPerStepBytes) {
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
    auto simulation = network.NewSimulation(spec_, inputs);
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
    engine::CudaDemand demand = engine::DemandOf(engine::CudaRun(plan_, weights_, spec_));
    const auto launch =
        engine::PlanCudaLaunch(demand, static_cast<std::int64_t>(inputs.size()), device_->limits());
    engine::CudaWorkspace workspace(*device_, plan_, weights_, spec_, launch.value());
    engine::CudaPipeline(workspace).Feed(inputs);
    workspace.WaitForAll();
    constexpr int kRuns = 5;  // behind each other: the device never waits for the host
    return MedianWall(options_.repetitions,
                      [&] {
                        for (int i = 0; i < kRuns; ++i) {
                          workspace.RunState();
                          workspace.RunInputs();
                          for (std::int64_t done = 0; done < case_.steps; done += launch.value().chunk) {
                            workspace.RunChunk(std::min(launch.value().chunk, case_.steps - done), false);
                          }
                        }
                        workspace.work().Wait();
                      }) /
           kRuns;
  }

  void SetFloor(std::int64_t batch, Row& row) const {
    const Work work = CountWork(plan_, case_.steps);
    const auto samples = static_cast<double>(batch);
    row.neuron_steps = samples * work.neuron_steps / row.kernels_s;
    row.macs = samples * (work.macs + work.held_macs) / row.kernels_s;
    constexpr double kSumBytes = 8 + 8 + 2 + 2;  // two digits' sums there and back, spikes there and back
    const std::vector<std::pair<std::string, double>> needs = {
        {"fp16 product", samples * work.macs * 4 / ceilings_.fp16_flops},
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

  void RunPerStep(const std::vector<engine::SampleInputs>& inputs, Row& row) {
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

void Print(const Row& row) {
  if (!row.correct) {
    std::printf("%-20s batch %5ld  WRONG: bytes differ from the CPU's, no time\n", row.name.c_str(),
                static_cast<long>(row.batch));
    return;
  }
  std::printf("%-20s batch %5ld  kernels %10.1f us  engine %10.1f us (p99 %.1f)  %12.0f inf/s",
              row.name.c_str(), static_cast<long>(row.batch), row.kernels_s * 1e6, row.engine_s * 1e6,
              row.slow_s * 1e6, static_cast<double>(row.batch) / row.kernels_s);
  std::printf("  %9.3g neuron steps/s  %9.3g MAC/s  %5.1f %% of %-14s", row.neuron_steps, row.macs,
              100 * row.floor_s / row.kernels_s, row.binding.c_str());
  if (row.per_step_fp32_s > 0) {
    std::printf("  per step: fp32 x%.1f, TF32 x%.1f, same class %.1f %%  price of time %.2f",
                row.per_step_fp32_s / row.kernels_s, row.per_step_tf32_s / row.kernels_s,
                100 * row.same_class, row.kernels_s / row.forward_s);
  }
  std::printf("\n");
  std::fflush(stdout);
}

void WriteJson(const std::string& path, const Ceilings& ceilings, const std::vector<Row>& rows) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    throw std::runtime_error("cannot write " + path);
  }
  std::fprintf(file, "{\"device\": \"%s\", \"ceilings\": {", ceilings.device.c_str());
  const char* comma = "";
  for (const Line& line : LinesOf(ceilings)) {
    std::fprintf(file, "%s\"%s (%s)\": %.6g", comma, line.name.c_str(), line.unit.c_str(), line.value);
    comma = ", ";
  }
  std::fprintf(file, "},\n \"rows\": [");
  comma = "";
  for (const Row& row : rows) {
    std::fprintf(
        file,
        "%s\n  {\"case\": \"%s\", \"mode\": \"%s\", \"path\": \"cublas-digits\", \"backend\": \"cuda\", "
        "\"steps\": %ld, \"batch\": %ld, \"correct\": %s, \"kernels_s\": %.6g, \"engine_s\": %.6g, "
        "\"engine_p99_s\": %.6g, \"neuron_steps_per_second\": %.6g, \"macs_per_second\": %.6g, "
        "\"inferences_per_second\": %.6g, \"floor_s\": %.6g, \"binding\": \"%s\", \"per_step_fp32_s\": %.6g, "
        "\"per_step_tf32_s\": %.6g, \"forward_s\": %.6g, \"same_class\": %.4f}",
        comma, row.name.c_str(), row.mode.c_str(), static_cast<long>(row.steps), static_cast<long>(row.batch),
        row.correct ? "true" : "false", row.kernels_s, row.engine_s, row.slow_s, row.neuron_steps, row.macs,
        row.correct ? static_cast<double>(row.batch) / row.kernels_s : 0, row.floor_s, row.binding.c_str(),
        row.per_step_fp32_s, row.per_step_tf32_s, row.forward_s, row.same_class);
    comma = ",";
  }
  std::fprintf(file, "\n]}\n");
  std::fclose(file);
}

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

int Main(const Options& options) {
  if (cuda::CudaDeviceCount() == 0) {
    std::printf("gpu_bench: no GPU, nothing measured\n");
    return 77;
  }
  const Ceilings ceilings = MeasureCeilings();
  std::printf("%s\n", ceilings.device.c_str());
  for (const Line& line : LinesOf(ceilings)) {
    std::printf("  %-14s %10.2f %s\n", line.name.c_str(), line.value, line.unit.c_str());
  }
  std::vector<Row> rows;
  for (const Case& one : MakeCases(options.only)) {
    CaseRun run(one, ceilings, options);
    for (const std::int64_t batch : one.batches) {
      rows.push_back(run.Run(batch));
      Print(rows.back());
    }
  }
  if (!options.json.empty()) {
    WriteJson(options.json, ceilings, rows);
  }
  return std::all_of(rows.begin(), rows.end(), [](const Row& row) { return row.correct; }) ? 0 : 1;
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
