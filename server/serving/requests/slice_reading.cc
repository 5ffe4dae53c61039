#include "server/serving/requests/slice_reading.h"

#include <numeric>
#include <string>
#include <vector>

namespace spikeserve::serving {
namespace {

template <typename T>
std::vector<T> Slice(const std::vector<T>& all, std::int64_t first, std::int64_t count, std::int64_t stride) {
  if (all.empty()) {
    return {};
  }
  const auto begin = all.begin() + first * stride;
  return std::vector<T>(begin, begin + count * stride);
}

}  // namespace

engine::Reading SliceReadout(const engine::Reading& reading, std::int64_t first, std::int64_t count) {
  engine::Reading part;
  part.steps_done = reading.steps_done;
  for (const engine::ProbeReading& probe : reading.probes) {
    part.probes.push_back({probe.size, Slice(probe.values, first, count, probe.size), {}});
  }
  part.sample_status = Slice(reading.sample_status, first, count, 1);
  part.steps_used = Slice(reading.steps_used, first, count, 1);
  return part;
}

engine::Reading ReadoutOf(engine::Reading reading) {
  for (engine::ProbeReading& probe : reading.probes) {
    probe.trajectory = {};
  }
  reading.records.clear();
  reading.statistics.clear();
  reading.spikes.clear();
  return reading;
}

engine::Reading SliceReading(const engine::Reading& reading, std::int64_t first, std::int64_t count) {
  engine::Reading part = SliceReadout(reading, first, count);
  for (std::size_t i = 0; i < part.probes.size(); ++i) {
    const engine::ProbeReading& probe = reading.probes[i];
    part.probes[i].trajectory = Slice(probe.trajectory, first, count, probe.size * reading.steps_done);
  }
  for (const engine::ProbeRecord& record : reading.records) {
    part.records.push_back(
        {record.size, record.rows, Slice(record.values, first, count, record.rows * record.size)});
  }
  part.statistics = Slice(reading.statistics, first, count, 1);
  part.spikes = Slice(reading.spikes, first, count, 1);
  return part;
}

Status FirstFailure(const engine::Reading& reading, std::int64_t first, std::int64_t count) {
  if (reading.sample_status.empty()) {
    return {};
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const Status& status = reading.sample_status[static_cast<std::size_t>(first + i)];
    if (status.ok()) {
      continue;
    }
    return {status.code(), "sample " + std::to_string(i) + ": " + status.message()};
  }
  return {};
}

std::int64_t CountSpikes(const engine::Reading& reading) {
  return std::accumulate(reading.spikes.begin(), reading.spikes.end(), std::int64_t{0});
}

}  // namespace spikeserve::serving
