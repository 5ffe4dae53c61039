#include "server/engine/cuda/early_exit.h"

#include <algorithm>

#include "kernels/cuda/scan.h"
#include "server/engine/network/index.h"
#include "server/engine/run/early_exit.h"

namespace spikeserve::engine {
namespace {

std::span<const double> ValuesOf(const ProbeReading& probe, std::size_t sample) {
  return std::span(probe.values).subspan(sample * Index(probe.size), Index(probe.size));
}

void CopySample(const Reading& from, std::size_t sample, Reading& to) {
  for (std::size_t p = 0; p < from.probes.size(); ++p) {
    const std::span<const double> values = ValuesOf(from.probes[p], sample);
    std::copy(values.begin(), values.end(),
              to.probes[p].values.begin() + static_cast<std::ptrdiff_t>(sample * values.size()));
  }
  if (!from.statistics.empty()) {
    to.statistics[sample] = from.statistics[sample];
  }
  to.spikes[sample] = from.spikes[sample];
  to.sample_status[sample] = from.sample_status[sample];
}

}  // namespace

bool CudaEarlyExit::finished() const {
  return std::all_of(stopped_.begin(), stopped_.end(), [](std::int64_t steps) { return steps > 0; });
}

void CudaEarlyExit::Look(const Reading& reading, std::int64_t done, std::span<const std::int32_t> failed) {
  if (kept_.probes.empty()) {
    kept_ = reading;
  }
  for (std::size_t i = 0; i < stopped_.size(); ++i) {
    const bool out = failed[i] != cuda::kNotFailed;
    const auto clear = [&] {
      return Margin(ValuesOf(reading.probes[Index(rule_.probe)], i)) >= rule_.margin;
    };
    if (stopped_[i] == 0 && (out || clear())) {
      stopped_[i] = done;
      CopySample(reading, i, kept_);
    }
  }
}

void CudaEarlyExit::Apply(std::int64_t done, Reading& reading) const {
  reading.steps_used.clear();
  for (std::size_t i = 0; i < stopped_.size(); ++i) {
    reading.steps_used.push_back(stopped_[i] > 0 ? stopped_[i] : done);
    if (stopped_[i] > 0) {
      CopySample(kept_, i, reading);
    }
  }
}

Reading CudaEarlyExit::Answers(std::int64_t done) const {
  Reading reading = kept_;
  Apply(done, reading);
  return reading;
}

}  // namespace spikeserve::engine
