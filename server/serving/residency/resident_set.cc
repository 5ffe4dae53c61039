#include "server/serving/residency/resident_set.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/names.h"
#include "server/serving/networks/repository_layout.h"

namespace spikeserve::serving {
namespace {

// For memory that was let go of to be free. The reaper takes milliseconds, a device that hangs for ever.
constexpr std::chrono::seconds kFreeing{10};

// Tells when the last copy of a token is gone, and need not live until then.
class Signal {
 public:
  std::shared_ptr<void> Token() {
    struct Promise {
      ~Promise() { done.set_value(); }
      std::promise<void> done;
    };
    auto promise = std::make_shared<Promise>();
    done_ = promise->done.get_future();
    return promise;
  }
  void Await() const { done_.wait_for(kFreeing); }

 private:
  std::future<void> done_;
};

}  // namespace

Result<Pin> ParsePin(const std::string& text) {
  const std::size_t colon = text.find(':');
  Pin pin{text.substr(0, colon), colon == std::string::npos ? 0 : ParseVersion(text.substr(colon + 1))};
  if (IsValidName(pin.name) && (colon == std::string::npos || pin.version > 0)) {
    return pin;
  }
  return InvalidArgument("got " + Quote(text) + ", wanted NAME or NAME:VERSION with a name of " +
                         std::string(kNameRule));
}

ResidentBytes Sum(const std::vector<Resident>& residents) {
  ResidentBytes sum;
  for (const Resident& resident : residents) {
    (resident.kept ? sum.kept : resident.in_use ? sum.in_use : sum.idle) += resident.bytes;
  }
  return sum;
}

std::vector<Resident> ChooseVictims(std::vector<Resident> residents, std::int64_t bytes) {
  std::erase_if(residents, [](const Resident& resident) { return resident.kept || resident.in_use; });
  std::sort(residents.begin(), residents.end(),
            [](const Resident& a, const Resident& b) { return a.last_use < b.last_use; });
  std::size_t count = 0;
  for (; count < residents.size() && bytes > 0; ++count) {
    bytes -= residents[count].bytes;
  }
  residents.resize(bytes > 0 ? 0 : count);
  return residents;
}

bool ResidentSet::IsPinned(const std::string& name, std::int64_t version) const {
  return std::any_of(pins_.begin(), pins_.end(), [&](const Pin& pin) {
    return pin.name == name && (pin.version == 0 || pin.version == version);
  });
}

std::vector<Resident> ResidentSet::List() const {
  std::vector<Resident> residents;
  for (const NetworkListing& listing : registry_.List()) {
    if (listing.state != NetworkState::kReady || !listing.handle) {
      continue;
    }
    const NetworkEntry& entry = *listing.handle;
    residents.push_back({entry.name, entry.version, entry.reservation.bytes(), entry.use->last,
                         entry.use->holders > 0, !entry.outline || IsPinned(entry.name, entry.version)});
  }
  return residents;
}

KeptBytes ResidentSet::Kept() const {
  KeptBytes kept{Sum(List()).kept, 0};
  for (const NetworkListing& listing : registry_.List()) {
    if (!listing.handle || listing.state == NetworkState::kUnloading) {
      continue;
    }
    const NetworkEntry& entry = *listing.handle;  // of one that is not in memory it is the outline
    const NetworkEntry* outline = entry.resident ? entry.outline.get() : &entry;
    kept.outlines += outline != nullptr ? outline->reservation.bytes() : 0;
  }
  return kept;
}

bool ResidentSet::HasRoom(std::int64_t bytes) const {
  return bytes <= budget_.available_bytes() + Sum(List()).idle;
}

std::set<std::pair<std::string, std::int64_t>> ResidentSet::InTheWay(std::int64_t bytes) const {
  std::vector<Resident> residents = List();
  bytes -= budget_.available_bytes() + Sum(residents).idle;
  for (Resident& resident : residents) {
    resident.kept = resident.kept || !resident.in_use;
    resident.in_use = false;
  }
  std::set<std::pair<std::string, std::int64_t>> names;
  for (const Resident& resident : ChooseVictims(std::move(residents), bytes)) {
    names.emplace(resident.name, resident.version);
  }
  return names;
}

bool ResidentSet::MakeRoom(std::int64_t bytes) {
  const MutexLock lock(making_);
  Signal freed;
  std::shared_ptr<void> token = freed.Token();
  std::int64_t missing = bytes - budget_.available_bytes();
  // Another look where one was taken into use after the first.
  for (std::vector<Resident> victims = ChooseVictims(List(), missing); !victims.empty();
       victims = ChooseVictims(List(), missing)) {
    for (const Resident& victim : victims) {
      if (registry_.Evict(victim.name, victim.version, token)) {
        missing -= victim.bytes;
        evicted_(victim);
      }
    }
  }
  token.reset();
  freed.Await();
  return budget_.available_bytes() >= bytes;
}

std::string ResidentSet::Describe() const {
  const ResidentBytes sum = Sum(List());
  return "of the networks, those that are pinned hold " + std::to_string(sum.kept) + " bytes, those in use " +
         std::to_string(sum.in_use) + ", others " + std::to_string(sum.idle);
}

}  // namespace spikeserve::serving
