#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_registry.h"

namespace spikeserve::serving {

// A network that is never let go of: one version, or with 0 all of them.
struct Pin {
  std::string name;
  std::int64_t version = 0;
};

// NAME or NAME:VERSION. INVALID_ARGUMENT.
Result<Pin> ParsePin(const std::string& text);

// One network in memory, as far as letting go of it is concerned.
struct Resident {
  std::string name;
  std::int64_t version = 0;
  std::int64_t bytes = 0;
  std::uint64_t last_use = 0;
  bool in_use = false;
  bool kept = false;  // pinned, or nowhere stored
};

// Bytes of networks in memory, by what may become of them.
struct ResidentBytes {
  std::int64_t kept = 0;
  std::int64_t in_use = 0;
  std::int64_t idle = 0;
};
ResidentBytes Sum(const std::vector<Resident>& residents);

// Bytes that no load can have.
struct KeptBytes {
  std::int64_t networks = 0;  // pinned, or nowhere stored
  std::int64_t outlines = 0;  // what networks are shown by, whether they are in memory or not
};

// Which of them to let go of so that `bytes` become free: least recently used first, none that is kept or in
// use, and none at all where that does not suffice.
std::vector<Resident> ChooseVictims(std::vector<Resident> residents, std::int64_t bytes);

// The networks in memory, and the room they make for others. Thread-safe.
class ResidentSet {
 public:
  using Evicted = std::function<void(const Resident&)>;

  // `evicted` is told of each network that was let go of, by the thread that asked for room.
  ResidentSet(NetworkRegistry& registry, MemoryBudget& budget, std::vector<Pin> pins, Evicted evicted)
      : registry_(registry), budget_(budget), pins_(std::move(pins)), evicted_(std::move(evicted)) {}

  std::vector<Resident> List() const;
  bool IsPinned(const std::string& name, std::int64_t version) const;
  KeptBytes Kept() const;
  // Whether so many bytes are available, or would be.
  bool HasRoom(std::int64_t bytes) const;
  // Which of those in use, least recently used first, would have to become idle for so many bytes.
  std::set<std::pair<std::string, std::int64_t>> InTheWay(std::int64_t bytes) const;
  // Lets go of as much as it takes, and returns once that is free: whether so many bytes were.
  bool MakeRoom(std::int64_t bytes);
  // What holds the memory, for people.
  std::string Describe() const;

 private:
  NetworkRegistry& registry_;
  MemoryBudget& budget_;
  const std::vector<Pin> pins_;
  const Evicted evicted_;
  Mutex making_;  // one at a time, so that no two let go of twice as much
};

}  // namespace spikeserve::serving
