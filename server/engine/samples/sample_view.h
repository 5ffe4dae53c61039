#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/run/early_exit.h"
#include "server/engine/run/sample_answers.h"

namespace spikeserve::engine {

// What a sample of a mode's Space has to say. One use by one thread; all arguments outlive it.
template <typename Space>
class SampleView final : public SampleAnswers {
 public:
  SampleView(const typename Space::Run& run, const typename Space::Sample& sample,
             typename Space::Scratch& scratch)
      : run_(run), sample_(sample), scratch_(scratch) {}

  Status status() const override { return sample_.status(); }
  std::int64_t spikes() const override { return sample_.spikes(); }
  std::int64_t steps_done() const override { return sample_.steps_done(); }
  void ReadProbe(std::size_t index, std::span<double> values) const override {
    sample_.Read(run_, index, scratch_, values);
    run_.correction.Apply(index, sample_.steps_done(), values);
  }
  std::span<const double> Trajectory(std::size_t index) const override { return sample_.trajectory(index); }
  std::vector<double> Record(std::size_t index) const override { return sample_.Record(index); }
  std::vector<LayerActivity> Activity() const override { return sample_.Activity(run_); }

 private:
  const typename Space::Run& run_;
  const typename Space::Sample& sample_;
  typename Space::Scratch& scratch_;
};

// A sample as early exit sees it. One use by one thread; all arguments outlive it.
template <typename Space>
class ExitingSample final : public ExitingRun {
 public:
  ExitingSample(const typename Space::Run& run, typename Space::Sample& sample,
                typename Space::Scratch& scratch, std::size_t index, EarlyStops& stops)
      : run_(run), sample_(sample), scratch_(scratch), index_(index), stops_(stops) {}

  std::int64_t steps_done() const override { return sample_.steps_done(); }
  bool finished() const override { return stops_.stopped(index_); }
  Status AdvanceTo(std::int64_t step) override {
    sample_.Advance(run_, step - sample_.steps_done(), scratch_);
    if (!sample_.status().ok()) {
      stops_.Stop(index_, sample_.steps_done());
    }
    return {};
  }
  void Look() override {
    const std::size_t probe = Index(stops_.rule().probe);
    if constexpr (requires { Space::Sample::Settle(run_, std::span(&sample_, 1), scratch_); }) {
      Space::Sample::Settle(run_, std::span(&sample_, 1), scratch_);
    }
    values_.resize(Index(run_.ProbeSize(run_.spec->probes[probe])));
    SampleView<Space>(run_, sample_, scratch_).ReadProbe(probe, values_);
    stops_.Look(index_, sample_.steps_done(), values_);
  }

 private:
  const typename Space::Run& run_;
  typename Space::Sample& sample_;
  typename Space::Scratch& scratch_;
  const std::size_t index_;
  EarlyStops& stops_;
  std::vector<double> values_;
};

}  // namespace spikeserve::engine
