#include "server/engine/cuda/simulation.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "server/engine/run/constants/run_constants.h"

namespace spikeserve::engine {

Status StatusOf(const cuda::DeviceError& error) {
  const std::string what = std::string("GPU: ") + error.what();
  switch (error.failure()) {
    case cuda::Failure::kOutOfMemory:
      return ResourceExhausted(what + "; unload networks or send smaller batches");
    case cuda::Failure::kUnavailable: return FailedPrecondition(what);
    case cuda::Failure::kRefused: return Internal(what);
    case cuda::Failure::kLost: break;
  }
  return Unavailable(what + "; the server must be restarted before it uses the GPU again");
}

class CudaSimulation::Exiting final : public ExitingRun {
 public:
  Exiting(CudaSimulation& batch, const StopCheck& stopped) : batch_(batch), stopped_(stopped) {}

  std::int64_t steps_done() const override { return batch_.done_; }
  bool finished() const override { return batch_.exit_->finished(); }
  Status AdvanceTo(std::int64_t step) override { return batch_.AdvanceTo(step, stopped_); }
  void Look() override {
    batch_.workspace_->Settle();
    SendAnswers(*batch_.workspace_, batch_.ages_);
    AwaitAnswers(*batch_.workspace_);
    const Reading reading = batch_.MakeReading();
    for (std::size_t i = 0; i < batch_.samples_.size(); ++i) {
      batch_.exit_->Look(i, batch_.AnswersOf(i).failed(), reading);
    }
  }

 private:
  CudaSimulation& batch_;
  const StopCheck& stopped_;
};

CudaSimulation::CudaSimulation(std::unique_ptr<CudaWorkspace> workspace,
                               std::span<const SampleInputs> samples, CudaWorkspaces workspaces)
    : workspace_(std::move(workspace)),
      pipeline_(std::make_unique<CudaPipeline>(*workspace_)),
      samples_(samples.begin(), samples.end()),
      workspaces_(std::move(workspaces)),
      progress_(*run().spec),
      ages_(run(), samples.size()) {
  const SimulationSpec& spec = *run().spec;
  if (spec.settings.readout.kind == ReadoutKind::kCorrectedMean) {
    correction_ = ReadoutCorrection(FindFilterPaths(*run().plan), spec);
  }
  if (spec.early_exit) {
    exit_.emplace(*spec.early_exit, samples_.size());
  }
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    traces_.push_back(NewTrace());
  }
  pipeline_->Restart();
  if (!spec.session) {
    pipeline_->Feed(samples_);
  }
}

CudaSimulation::~CudaSimulation() {
  if (!status_.ok()) {
    return;
  }
  try {
    workspace_->WaitForAll();  // a chunk may still be on its way, and reads what the next batch writes
    workspaces_.give(std::move(workspace_));
  } catch (const cuda::DeviceError&) {  // the next call to the device says so
  }
}

SampleTrace CudaSimulation::NewTrace() const {
  const SimulationSpec& spec = *run().spec;
  std::vector<std::int64_t> values;
  for (std::size_t p = 0; spec.trajectories && p < spec.probes.size(); ++p) {
    values.push_back(spec.session ? 0 : spec.settings.steps * run().probe(p).size);
  }
  std::vector<ProbeRecorder> recorders;
  for (std::size_t r = 0; r < spec.request_probes.size(); ++r) {
    const RequestProbe& probe = spec.request_probes[r];
    recorders.emplace_back(probe.recording, RecorderFilter(probe, spec.settings.dt_s), run().RecordSize(r));
  }
  return {values, std::move(recorders)};
}

template <typename Work>
Status CudaSimulation::OnDevice(const Work& work) {
  if (!status_.ok()) {
    return status_;
  }
  try {
    return work();
  } catch (const cuda::DeviceError& error) {
    status_ = StatusOf(error);
    return status_;
  }
}

Status CudaSimulation::Advance(std::int64_t steps, const StopCheck& stopped) {
  if (Status status = progress_.Check(steps); !status.ok()) {
    return status;
  }
  return OnDevice([&] {
    const std::int64_t end = progress_.done() + steps;
    Exiting exiting(*this, stopped);
    Status ended = exit_ ? AdvanceUntilClear(*run().spec->early_exit, end, exiting) : AdvanceTo(end, stopped);
    progress_.Advance(steps);
    return ended;
  });
}

// Means begin with what layers in closed form have sent by the end of the skipped steps.
Status CudaSimulation::AdvanceTo(std::int64_t step, const StopCheck& stopped) {
  const std::int64_t skipped = run().spec->settings.readout.skip_steps;
  if (run().HasClosed() && done_ < skipped && skipped <= step) {
    if (Status status = RunTo(skipped, stopped); !status.ok()) {
      return status;
    }
    workspace_->Settle();
  }
  return RunTo(step, stopped);
}

Status CudaSimulation::RunTo(std::int64_t step, const StopCheck& stopped) {
  if (done_ + pipeline_->steps() > step) {
    pipeline_->RollBack();  // more was run ahead than is wanted now
  }
  while (done_ < step) {
    if (stopped && stopped()) {
      return {StatusCode::kCancelled, "stopped between two chunks"};
    }
    FillPipeline(step);
    CudaPipeline::Chunk chunk;
    if (pipeline_->Finish(chunk)) {
      Collect(chunk);
    }
  }
  return {};
}

void CudaSimulation::FillPipeline(std::int64_t step) {
  std::int64_t at = done_ + pipeline_->steps();
  while (!pipeline_->full() && at < step) {
    const std::int64_t most = run().takes_steps ? workspace_->launch().chunk : step - at;
    const std::int64_t now = std::min(step - at, most);
    pipeline_->Issue(samples_, at - progress_.fed_at(), now, false);
    at += now;
  }
}

// What a finished chunk leaves behind.
void CudaSimulation::Collect(const CudaPipeline::Chunk& chunk) {
  KeepTraces(chunk);
  ages_.Step(chunk.steps);
  done_ += chunk.steps;
  last_steps_ = chunk.steps;
}

void CudaSimulation::KeepTraces(const CudaPipeline::Chunk& chunk) {
  const CudaStaging::Slot& staged = workspace_->staging().slots[chunk.slot];
  const SimulationSpec& spec = *run().spec;
  const auto part = [&](const float* of_all, std::int64_t size, std::size_t sample) {
    const std::size_t values = Index(chunk.steps * size);
    return std::span(of_all + sample * values, values);
  };
  for (std::size_t i = 0; i < traces_.size(); ++i) {
    for (std::size_t p = 0; spec.trajectories && p < spec.probes.size(); ++p) {
      traces_[i].AddToTrajectory(p, part(staged.trajectories[p], run().probe(p).size, i));
    }
    for (std::size_t r = 0; r < spec.request_probes.size(); ++r) {
      const std::int64_t size = run().RecordSize(r);
      traces_[i].AddToRecord(r, size, part(staged.records[r], size, i));
    }
  }
}

Result<Reading> CudaSimulation::Read() {
  if (!status_.ok()) {
    return status_;
  }
  if (finished()) {
    Reading reading = exit_->All();
    reading.steps_done = progress_.done();
    return reading;
  }
  Status answered = OnDevice([&] {
    pipeline_->RollBack();  // of an earlier reading at the same step
    workspace_->Settle();
    SendAnswers(*workspace_, ages_);
    RunAhead();
    AwaitAnswers(*workspace_);
    return Status();
  });
  if (!answered.ok()) {
    return answered;
  }
  Reading reading = MakeReading();
  if (exit_) {
    exit_->Apply(reading);
  }
  return reading;
}

// While the caller does something with the answers, the device goes on with what is likely wanted next.
void CudaSimulation::RunAhead() {
  const std::int64_t left = run().spec->settings.steps - done_;
  const bool may_settle = run().HasClosed() && done_ < run().spec->settings.readout.skip_steps;
  if (!run().spec->session && !exit_ && done_ > 0 && left > 0 && run().takes_steps && !may_settle) {
    pipeline_->Issue(samples_, done_, std::min(last_steps_, left), true);
  }
}

CudaSampleAnswers CudaSimulation::AnswersOf(std::size_t sample) const {
  return {*workspace_, ages_, correction_, traces_[sample], sample};
}

Reading CudaSimulation::MakeReading() const {
  Reading reading = EmptyReading(run(), samples_.size(), progress_.fed_at(), done_ - progress_.fed_at());
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    ReadSample(*run().spec, AnswersOf(i), i, reading);
  }
  return reading;
}

Status CudaSimulation::Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples) {
  const Result<CheckedSpec> spec = FedSpec(run().spec, inputs, samples, samples_.size());
  if (!spec.ok()) {
    return spec.status();
  }
  Status fed = OnDevice([&] {
    if (inputs != run().spec->inputs) {
      if (Status status = ChangeSpec(spec.value()); !status.ok()) {
        return status;
      }
    }
    samples_.assign(samples.begin(), samples.end());
    pipeline_->Feed(samples_);
    return Status();
  });
  if (!fed.ok()) {
    return fed;
  }
  for (SampleTrace& trace : traces_) {
    trace.Forget();
  }
  progress_.Feed();
  return {};
}

// Inputs of other formats need other buffers and programs. The state is the same in both workspaces.
Status CudaSimulation::ChangeSpec(const CheckedSpec& spec) {
  Result<std::unique_ptr<CudaWorkspace>> taken = workspaces_.take(spec);
  if (!taken.ok()) {
    return taken.status();
  }
  std::unique_ptr<CudaWorkspace> next = std::move(taken).value();
  if (next->buffers().state_bytes != workspace_->buffers().state_bytes) {
    return Internal("the state of a session depends on the format of its inputs");
  }
  auto pipeline = std::make_unique<CudaPipeline>(*next);
  pipeline->MoveFrom(*pipeline_);
  pipeline_ = std::move(pipeline);
  std::swap(workspace_, next);
  workspaces_.give(std::move(next));
  return {};
}

Status CudaSimulation::Reset(std::span<const std::int64_t> samples) {
  const std::set<std::int64_t> wanted(samples.begin(), samples.end());
  const std::vector<std::int64_t> each(wanted.begin(), wanted.end());
  Status restarted = OnDevice([&] {
    if (each.size() == samples_.size()) {
      pipeline_->Restart();
    } else {
      pipeline_->Restart(each);
    }
    return Status();
  });
  if (!restarted.ok()) {
    return restarted;
  }
  ages_.Restart(each);
  for (const std::int64_t sample : each) {
    traces_[Index(sample)] = NewTrace();
  }
  progress_.Reset(each.size());
  return {};
}

}  // namespace spikeserve::engine
