#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "server/engine/run/reading.h"

namespace spikeserve::serving {

// What tells a request from all that are answered otherwise: a cryptographic hash, or all of it.
using AnswerKey = std::string;

// The network that an answer is of.
struct AnswerOrigin {
  std::string name;
  std::int64_t version = 0;
  std::uint64_t instance = 0;  // NetworkEntry::instance
};

// What a reading takes in memory.
std::int64_t ReadingBytes(const engine::Reading& reading);

// Answers by the keys of their requests, within a number of bytes: the one that was asked for least recently
// goes first. One thread at a time.
class KeptAnswers {
 public:
  using Reading = std::shared_ptr<const engine::Reading>;

  // `limit_bytes` bounds answers, keys and what it takes to find them.
  explicit KeptAnswers(std::int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // The answer; null where there is none.
  Reading Find(const AnswerKey& key);
  // Keeps an answer, unless it alone is above the limit or there is one already.
  void Keep(const AnswerKey& key, AnswerOrigin origin, Reading reading);
  // Drops the answers of these networks.
  void Drop(const std::function<bool(const AnswerOrigin&)>& of);

  std::int64_t bytes() const { return bytes_; }
  std::int64_t size() const { return static_cast<std::int64_t>(by_key_.size()); }
  // Answers that had to make room for others.
  std::int64_t evicted() const { return evicted_; }

 private:
  struct Kept {
    AnswerKey key;
    AnswerOrigin origin;
    Reading reading;
    std::int64_t bytes = 0;
  };
  using Order = std::list<Kept>;

  Order::iterator Erase(Order::iterator kept);

  const std::int64_t limit_bytes_;
  Order order_;  // the one that was asked for last is in front
  std::unordered_map<AnswerKey, Order::iterator> by_key_;
  std::int64_t bytes_ = 0;
  std::int64_t evicted_ = 0;
};

}  // namespace spikeserve::serving
