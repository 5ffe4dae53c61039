#include "server/serving/answers/kept_answers.h"

#include <iterator>
#include <utility>
#include <vector>

namespace spikeserve::serving {
namespace {

// Of an answer beside its reading and its texts: the places in the list and in the map, and what an
// allocation costs beyond its size. The map has a second copy of the key.
constexpr std::int64_t kOverheadBytes = 384;

template <typename T>
std::int64_t Bytes(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.capacity() * sizeof(T));
}

}  // namespace

std::int64_t ReadingBytes(const engine::Reading& reading) {
  std::int64_t bytes = static_cast<std::int64_t>(sizeof reading) + Bytes(reading.probes) +
                       Bytes(reading.statistics) + Bytes(reading.spikes) + Bytes(reading.records) +
                       Bytes(reading.steps_used) + Bytes(reading.sample_status);
  for (const engine::ProbeReading& probe : reading.probes) {
    bytes += Bytes(probe.values) + Bytes(probe.trajectory);
  }
  for (const std::vector<engine::LayerActivity>& sample : reading.statistics) {
    bytes += Bytes(sample);
  }
  for (const engine::ProbeRecord& record : reading.records) {
    bytes += Bytes(record.values);
  }
  return bytes;
}

KeptAnswers::Reading KeptAnswers::Find(const AnswerKey& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return nullptr;
  }
  order_.splice(order_.begin(), order_, found->second);
  return found->second->reading;
}

void KeptAnswers::Keep(const AnswerKey& key, AnswerOrigin origin, Reading reading) {
  const std::int64_t bytes = kOverheadBytes + ReadingBytes(*reading) +
                             static_cast<std::int64_t>(2 * key.size() + origin.name.size());
  if (bytes > limit_bytes_ || by_key_.count(key) > 0) {
    return;
  }
  while (bytes_ + bytes > limit_bytes_) {
    Erase(std::prev(order_.end()));
    ++evicted_;
  }
  Order added;
  added.push_back({key, std::move(origin), std::move(reading), bytes});
  by_key_.emplace(key, added.begin());
  order_.splice(order_.begin(), added);
  bytes_ += bytes;
}

void KeptAnswers::Drop(const std::function<bool(const AnswerOrigin&)>& of) {
  for (auto kept = order_.begin(); kept != order_.end();) {
    kept = of(kept->origin) ? Erase(kept) : std::next(kept);
  }
}

KeptAnswers::Order::iterator KeptAnswers::Erase(Order::iterator kept) {
  bytes_ -= kept->bytes;
  by_key_.erase(kept->key);
  return order_.erase(kept);
}

}  // namespace spikeserve::serving
