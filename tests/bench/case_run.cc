#include "tests/bench/case_run.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "server/engine/index.h"
#include "server/engine/thread_pool.h"
#include "tests/bench/engine_case.h"
#include "tests/bench/float_forward.h"
#include "tests/bench/step_loop.h"

namespace spikeserve::bench {
namespace {

using engine::CpuPath;
using engine::Index;
using engine::Mode;

constexpr double kWantedAgreement = 0.99;  // with the class of the step loop, which rounds otherwise

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
  for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i] ? 1 : 0;
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
        chain_(MakeChain(*loaded_.network)),
        ours_(loaded_.network, Mode::kExact, CpuPath::kAuto, MostThreads()) {
    gate_.name = one.name;
    gate_.steps = one.steps;
    gate_.input = one.bytes ? "uint8" : "float32";
    gate_.gate_samples = one.gate_samples;
    CheckClasses();
  }

  // The gate, and the time of the plain loops, which is taken along.
  Row RunPlain() {
    Row row = gate_;
    row.path = "plain";
    row.threads = MostThreads();
    row.batch = case_.plain_samples;
    const EngineCase plain(loaded_.network, Mode::kExact, CpuPath::kPlain, MostThreads());
    const auto batch = Batch(case_.plain_samples);
    const auto start = std::chrono::steady_clock::now();
    const std::vector<double> outputs = plain.Run(batch, case_.steps);
    row.ours.median = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    gate_.correct = gate_.correct && outputs == ours_.Run(batch, case_.steps);
    row.correct = gate_.correct;
    return row;
  }

  Row Run(std::int64_t batch, std::int64_t threads) {
    Row row = gate_;
    row.batch = batch;
    row.threads = threads;
    if (!row.correct) return row;
    engine::ThreadPool pool(threads);
    const EngineCase ours(loaded_.network, Mode::kExact, CpuPath::kAuto, threads);
    StepLoop loop(chain_, case_.steps, batch, pool, false);
    StepLoop hoisted(chain_, case_.steps, batch, pool, true);
    FloatForward pass(chain_, batch, threads);
    const std::span<const float> inputs = Floats(batch);
    const std::vector<Times> times =
        TimeInTurn({[&] { ours.Run(Batch(batch), case_.steps); }, [&] { loop.Run(inputs); },
                    [&] { hoisted.Run(inputs); }, [&] { pass.Run(inputs); }},
                   options_.repetitions, options_.window_s);
    row.ours = times[0];
    row.step_loop = times[1];
    row.hoisted = times[2];
    row.float_pass = times[3];
    return row;
  }

  void SetWork(const Ceilings& ceilings, Row& row) const {
    row.work = CountWork(chain_, case_.steps, row.batch, activity_.synaptic_operations / case_.gate_samples,
                         activity_.spikes / case_.gate_samples, case_.bytes ? 1 : 4);
    row.floor = FloorOf(row.work, ceilings);
  }

 private:
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
    const std::vector<double> outputs = ours_.Run(Batch(samples), case_.steps);
    activity_ = ours_.Count(Batch(samples), case_.steps);
    const auto classes = Classes(std::span(outputs), size);
    engine::ThreadPool pool(MostThreads());
    const std::vector<float> stepped =
        StepLoop(chain_, case_.steps, samples, pool, false).Run(Floats(samples));
    FloatForward pass(chain_, samples, MostThreads());
    const auto float_classes = Classes(pass.Run(Floats(samples)), size);
    gate_.step_loop_agreement = Agreement(classes, Classes(std::span<const float>(stepped), size));
    gate_.float_agreement = Agreement(classes, float_classes);
    gate_.correct = gate_.step_loop_agreement >= kWantedAgreement;
    if (loaded_.labels.empty()) return;
    gate_.accuracy = Agreement(classes, loaded_.labels);
    gate_.float_accuracy = Agreement(float_classes, loaded_.labels);
  }

  const Case& case_;
  const RunOptions& options_;
  LoadedCase loaded_;
  Chain chain_;
  EngineCase ours_;
  EngineCase::Activity activity_;
  Row gate_;
};

}  // namespace

void RunCase(const Case& one, const RunOptions& options, const std::vector<Ceilings>& ceilings,
             const std::function<void(Row)>& done) {
  CaseRun run(one, options);
  const auto finish = [&](Row row) {
    for (const Ceilings& of_threads : ceilings) {
      if (of_threads.threads == row.threads) run.SetWork(of_threads, row);
    }
    done(std::move(row));
  };
  finish(run.RunPlain());
  for (const std::int64_t batch : one.batches) {
    for (const std::int64_t threads : options.threads) {
      Row row = run.Run(batch, threads);
      if (row.correct) {
        AloneOptions alone;
        alone.data = options.data;
        alone.batch = batch;
        alone.threads = threads;
        row.peak_bytes = PeakBytesAlone(one, alone);
      }
      finish(std::move(row));
    }
  }
}

}  // namespace spikeserve::bench
