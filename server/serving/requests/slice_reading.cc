#include "server/serving/requests/slice_reading.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>
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

// `stride` elements a sample, `total` samples in the end.
template <typename T>
void Append(std::vector<T> part, std::int64_t total, std::int64_t stride, std::vector<T>& whole) {
  if (!part.empty()) {
    whole.reserve(static_cast<std::size_t>(total * stride));
  }
  whole.insert(whole.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
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

void AppendReading(engine::Reading part, std::int64_t total, engine::Reading& whole) {
  whole.steps_done = std::max(whole.steps_done, part.steps_done);
  whole.probes.resize(part.probes.size());
  for (std::size_t i = 0; i < part.probes.size(); ++i) {
    engine::ProbeReading& probe = part.probes[i];
    whole.probes[i].size = probe.size;
    Append(std::move(probe.values), total, probe.size, whole.probes[i].values);
    Append(std::move(probe.trajectory), total, probe.size * part.steps_done, whole.probes[i].trajectory);
  }
  whole.records.resize(part.records.size());
  for (std::size_t i = 0; i < part.records.size(); ++i) {
    engine::ProbeRecord& record = part.records[i];
    whole.records[i].size = record.size;
    whole.records[i].rows = record.rows;
    Append(std::move(record.values), total, record.rows * record.size, whole.records[i].values);
  }
  Append(std::move(part.statistics), total, 1, whole.statistics);
  Append(std::move(part.spikes), total, 1, whole.spikes);
  Append(std::move(part.steps_used), total, 1, whole.steps_used);
  Append(std::move(part.sample_status), total, 1, whole.sample_status);
}

Status FirstFailure(const engine::Reading& reading, std::int64_t first, std::int64_t count,
                    std::int64_t offset) {
  if (reading.sample_status.empty()) {
    return {};
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const Status& status = reading.sample_status[static_cast<std::size_t>(first + i)];
    if (status.ok()) {
      continue;
    }
    return {status.code(), "sample " + std::to_string(offset + i) + ": " + status.message()};
  }
  return {};
}

std::int64_t CountSpikes(const engine::Reading& reading, std::int64_t first, std::int64_t count) {
  const auto begin = reading.spikes.begin() + first;
  return std::accumulate(begin, begin + count, std::int64_t{0});
}

}  // namespace spikeserve::serving
