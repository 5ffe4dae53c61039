#include "tests/bench/case_run.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "server/engine/cpu/cpu_path.h"
#include "server/engine/network/index.h"
#include "server/engine/samples/thread_pool.h"
#include "tests/bench/engine_case.h"
#include "tests/bench/float_forward.h"
#include "tests/bench/step_loop.h"

namespace spikeserve::bench {
namespace {

using engine::CpuPath;
using engine::Index;
using engine::Mode;

// With the class of the step loop, which rounds otherwise, and has all bits of the weights.
double WantedAgreement(Mode mode) { return mode == Mode::kInt8 ? 0.95 : 0.99; }

Mode ModeOf(const std::string& name) {
  for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
    if (name == ModeName(mode)) {
      return mode;
    }
  }
  return Mode::kReference;
}

template <typename T>
std::vector<std::size_t> Classes(std::span<const T> outputs, std::size_t size) {
  std::vector<std::size_t> classes;
  for (std::size_t at = 0; at < outputs.size(); at += size) {
    const auto sample = outputs.subspan(at, size);
    classes.push_back(Index(std::max_element(sample.begin(), sample.end()) - sample.begin()));
  }
  return classes;
}

template <typename A, typename B>
double Agreement(const std::vector<A>& a, const std::vector<B>& b) {
  std::size_t same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    same += a[i] == b[i] ? 1 : 0;
  }
  return a.empty() ? 0 : static_cast<double>(same) / static_cast<double>(a.size());
}

std::int64_t SamplesOf(const Case& one) {
  return std::max(one.gate_samples, *std::max_element(one.batches.begin(), one.batches.end()));
}

// A case with everything that its rows share.
class CaseRun {
 public:
  CaseRun(const Case& one, const RunOptions& options)
      : case_(one),
        options_(options),
        loaded_(LoadCase(one, options.data, SamplesOf(one))),
        chain_(MakeChain(*loaded_.network)) {
    for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
      Ours& ours = modes_.emplace_back(Ours{mode, Engine(mode, CpuPath::kAuto, MostThreads()), {}, {}});
      ours.gate.name = one.name;
      ours.gate.mode = ModeName(mode);
      ours.gate.steps = one.steps;
      ours.gate.input = one.bytes ? "uint8" : "float32";
      ours.gate.gate_samples = one.gate_samples;
    }
    CheckClasses();
  }

  // The gate of each mode, and the time of the plain loops, which is taken along.
  std::vector<Row> RunPlain() {
    std::vector<Row> rows;
    for (Ours& ours : modes_) {
      Row row = ours.gate;
      row.path = "plain";
      row.threads = MostThreads();
      row.batch = case_.plain_samples;
      const auto plain = Engine(ours.mode, CpuPath::kPlain, MostThreads());
      const auto batch = Batch(case_.plain_samples);
      const auto start = std::chrono::steady_clock::now();
      const std::vector<double> outputs = plain->Run(batch, case_.steps);
      row.ours.median = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      ours.gate.correct = ours.gate.correct && outputs == ours.engine->Run(batch, case_.steps);
      row.correct = ours.gate.correct;
      rows.push_back(std::move(row));
    }
    return rows;
  }

  // One row per mode, timed in turn.
  std::vector<Row> Run(std::int64_t batch, std::int64_t threads) {
    engine::ThreadPool pool(threads);
    StepLoop loop(chain_, case_.steps, batch, pool, false);
    StepLoop hoisted(chain_, case_.steps, batch, pool, true);
    FloatForward pass(chain_, batch, threads);
    const std::span<const float> inputs = Floats(batch);
    std::vector<std::function<void()>> bodies = {[&] { loop.Run(inputs); }, [&] { hoisted.Run(inputs); },
                                                 [&] { pass.Run(inputs); }};
    std::vector<std::unique_ptr<EngineCase>> engines;
    for (const Ours& ours : modes_) {
      if (!ours.gate.correct) {
        continue;
      }
      engines.push_back(Engine(ours.mode, CpuPath::kAuto, threads));
      bodies.emplace_back([&, engine = engines.back().get()] { engine->Run(Batch(batch), case_.steps); });
    }
    std::vector<Times> times;
    if (!engines.empty()) {
      times = TimeInTurn(bodies, options_.repetitions, options_.window_s);
    }
    std::vector<Row> rows;
    std::size_t next = bodies.size() - engines.size();
    for (const Ours& ours : modes_) {
      Row& row = rows.emplace_back(ours.gate);
      row.batch = batch;
      row.threads = threads;
      if (!row.correct) {
        continue;
      }
      row.step_loop = times[0];
      row.hoisted = times[1];
      row.float_pass = times[2];
      row.ours = times[next++];
    }
    return rows;
  }

  void SetWork(const Ceilings& ceilings, Row& row) const {
    for (const Ours& ours : modes_) {
      if (ours.gate.mode != row.mode) {
        continue;
      }
      const std::int64_t input_bytes = case_.bytes ? 1 : 4;
      if (case_.memory && row.path != "plain") {
        const std::int64_t digits = ours.mode == Mode::kExact ? 3 : ours.mode == Mode::kFast ? 2 : 1;
        row.work =
            CountClosedWork(chain_, case_.steps, row.batch, ours.activity.busiest, input_bytes, digits);
        continue;
      }
      row.work = CountWork(
          chain_, case_.steps, row.batch, ours.activity.synaptic_operations / case_.gate_samples,
          ours.activity.spikes / case_.gate_samples, input_bytes, ours.mode == Mode::kExact ? 4 : 2);
    }
    row.floor = FloorOf(row.work, ceilings);
  }

 private:
  // The engine in one mode, what it did with the gate's samples, and what its rows begin with.
  struct Ours {
    Mode mode;
    std::unique_ptr<EngineCase> engine;
    EngineCase::Activity activity;
    Row gate;
  };

  std::unique_ptr<EngineCase> Engine(Mode mode, CpuPath path, std::int64_t threads) const {
    return std::make_unique<EngineCase>(loaded_.network, mode, path, threads);
  }
  std::int64_t MostThreads() const {
    return *std::max_element(options_.threads.begin(), options_.threads.end());
  }
  std::span<const float> Floats(std::int64_t samples) const {
    return std::span(loaded_.floats).first(Index(samples * chain_.in_size()));
  }
  EngineCase::Batch Batch(std::int64_t samples) const {
    if (case_.bytes) {
      return {std::as_bytes(std::span(loaded_.bytes)).data(), samples, engine::DataType::kUint8};
    }
    return {std::as_bytes(std::span(loaded_.floats)).data(), samples, engine::DataType::kFloat32};
  }

  // Ours against the step loop, the float network and the labels.
  void CheckClasses() {
    const std::int64_t samples = case_.gate_samples;
    const std::size_t size = Index(chain_.out_size());
    engine::ThreadPool pool(MostThreads());
    const auto stepped = Classes(
        std::span<const float>(StepLoop(chain_, case_.steps, samples, pool, false).Run(Floats(samples))),
        size);
    FloatForward pass(chain_, samples, MostThreads());
    const auto float_classes = Classes(pass.Run(Floats(samples)), size);
    for (Ours& ours : modes_) {
      const std::vector<double> outputs = ours.engine->Run(Batch(samples), case_.steps);
      const auto classes = Classes(std::span(outputs), size);
      ours.activity = ours.engine->Count(Batch(samples), case_.steps);
      ours.gate.step_loop_agreement = Agreement(classes, stepped);
      ours.gate.float_agreement = Agreement(classes, float_classes);
      ours.gate.correct = ours.gate.step_loop_agreement >= WantedAgreement(ours.mode);
      if (loaded_.labels.empty()) {
        continue;
      }
      ours.gate.accuracy = Agreement(classes, loaded_.labels);
      ours.gate.float_accuracy = Agreement(float_classes, loaded_.labels);
    }
  }

  const Case& case_;
  const RunOptions& options_;
  LoadedCase loaded_;
  Chain chain_;
  std::vector<Ours> modes_;
};

}  // namespace

void RunCase(const Case& one, const RunOptions& options, const std::vector<Ceilings>& ceilings,
             const std::function<void(Row)>& done) {
  CaseRun run(one, options);
  const auto finish = [&](Row row) {
    for (const Ceilings& of_threads : ceilings) {
      if (of_threads.threads == row.threads) {
        run.SetWork(of_threads, row);
      }
    }
    done(std::move(row));
  };
  for (Row& row : run.RunPlain()) {
    finish(std::move(row));
  }
  for (const std::int64_t batch : one.batches) {
    for (const std::int64_t threads : options.threads) {
      for (Row& row : run.Run(batch, threads)) {
        if (row.correct) {
          AloneOptions alone;
          alone.mode = ModeOf(row.mode);
          alone.data = options.data;
          alone.batch = batch;
          alone.threads = threads;
          row.peak_bytes = PeakBytesAlone(one, alone);
        }
        finish(std::move(row));
      }
    }
  }
}

}  // namespace spikeserve::bench
