#include "server/serving/networks/network_registry.h"

#include <algorithm>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/names.h"
#include "server/serving/networks/network_reaper.h"
#include "server/serving/networks/once_there_is_memory.h"

namespace spikeserve::serving {
namespace {

std::string Describe(const std::string& name, std::int64_t version) {
  return "network " + Quote(name) + " version " + std::to_string(version);
}

Status NotUsable(const std::string& name, std::int64_t version, NetworkState state) {
  if (state == NetworkState::kLoading) {
    return Unavailable(Describe(name, version) + " is still loading");
  }
  return NotFound(Describe(name, version) + " is being unloaded");
}

const char* Already(NetworkState state) {
  switch (state) {
    case NetworkState::kLoading: return "loading";
    case NetworkState::kReady: return "loaded";
    case NetworkState::kUnloading: return "being unloaded";
    case NetworkState::kStored: return "stored";
  }
  return "known";
}

}  // namespace

// Else nobody could load this version any more.
NetworkRegistry::Claim::~Claim() {
  if (registry_) {
    OnceThereIsMemory([this] { registry_->DropClaim(name_, version_); });
  }
}

NetworkRegistry::NetworkRegistry(Listener listener)
    : listener_(std::move(listener)),
      reaper_(std::make_shared<NetworkReaper>()),
      map_(std::make_shared<const Map>()),
      reaper_thread_([this] { ReapUntilStopped(); }) {}

NetworkRegistry::~NetworkRegistry() {
  Replace(std::make_shared<const Map>());
  reaper_->Stop();
}

Result<NetworkRegistry::Claim> NetworkRegistry::BeginLoad(const std::string& name, std::int64_t version,
                                                          std::int64_t highest_stored) {
  std::string claimed = name;  // nothing may fail once the version is loading
  const MutexLock lock(write_mu_);
  auto map = std::make_shared<Map>(*Snapshot());
  Versions& versions = (*map)[name];
  if (version == 0) {
    const std::int64_t highest = versions.empty() ? 0 : versions.rbegin()->first;
    version = std::max(highest, highest_stored) + 1;
  }
  if (version > kMaxVersion) {
    return OutOfRange("version: " + std::to_string(version) + " is above the highest allowed, " +
                      std::to_string(kMaxVersion));
  }
  if (const auto found = versions.find(version); found != versions.end()) {
    if (found->second.state == NetworkState::kUnloading) {
      return Unavailable(Describe(name, version) + " is still being unloaded; try again");
    }
    return AlreadyExists(Describe(name, version) + " is already " + Already(found->second.state));
  }
  versions.emplace(version, Slot{});
  Replace(std::move(map));
  return Claim(this, std::move(claimed), version);
}

NetworkHandle NetworkRegistry::MakeHandle(std::unique_ptr<NetworkEntry> entry) const {
  NetworkReaper::Dead place(1);  // now, as who drops the last handle cannot fail
  return {entry.release(), [reaper = reaper_, place = std::move(place)](const NetworkEntry* dropped) mutable {
            place.front().reset(dropped);
            reaper->Push(std::move(place));
          }};
}

Result<NetworkRegistry::Claim> NetworkRegistry::BeginReload(const std::string& name, std::int64_t version) {
  std::string claimed = name;
  const MutexLock lock(write_mu_);
  auto map = std::make_shared<Map>(*Snapshot());
  const auto found = FindIn(*map, name, version);
  if (!found.ok()) {
    return found.status();
  }
  Slot& slot = (*map)[name][version];
  if (slot.state != NetworkState::kStored) {
    return AlreadyExists(Describe(name, version) + " is already " + Already(slot.state));
  }
  slot.state = NetworkState::kLoading;
  Replace(std::move(map));
  return Claim(this, std::move(claimed), version);
}

NetworkHandle NetworkRegistry::Keep(Claim claim, NetworkHandle outline) {
  {
    const MutexLock lock(write_mu_);
    auto map = std::make_shared<Map>(*Snapshot());
    Slot& slot = (*map)[claim.name()][claim.version()];
    slot.state = NetworkState::kStored;
    slot.outline = outline;
    Replace(std::move(map));
  }
  static_cast<void>(claim.registry_.release());
  Notify(claim.name());
  return outline;
}

Result<NetworkHandle> NetworkRegistry::Exchange(std::unique_ptr<NetworkEntry> entry) {
  NetworkHandle handle;
  {
    const MutexLock lock(write_mu_);
    auto map = std::make_shared<Map>(*Snapshot());
    const auto found = FindIn(*map, entry->name, entry->version);
    if (!found.ok() || found.value()->second.state != NetworkState::kReady) {
      return Unavailable(Describe(entry->name, entry->version) + " is not ready any more");
    }
    entry->id = ++last_id_;
    const NetworkHandle outline = entry->outline;
    handle = MakeHandle(std::move(entry));
    (*map)[handle->name][handle->version] = Slot{NetworkState::kReady, handle, handle, outline, handle->id};
    Replace(std::move(map));
  }
  Notify(handle->name);
  return handle;
}

Result<NetworkHandle> NetworkRegistry::ExchangeStored(NetworkHandle outline) {
  const MutexLock lock(write_mu_);
  auto map = std::make_shared<Map>(*Snapshot());
  const auto found = FindIn(*map, outline->name, outline->version);
  if (!found.ok() || found.value()->second.state != NetworkState::kStored) {
    return Unavailable(Describe(outline->name, outline->version) + " is not stored any more");
  }
  (*map)[outline->name][outline->version].outline = outline;
  Replace(std::move(map));
  return outline;
}

NetworkHandle NetworkRegistry::Publish(Claim claim, std::unique_ptr<NetworkEntry> entry) {
  NetworkHandle held;
  {
    const MutexLock lock(write_mu_);
    entry->id = ++last_id_;
    const NetworkHandle outline = entry->outline;
    const NetworkHandle handle = MakeHandle(std::move(entry));
    held = NetworkHold::Take(handle, reaper_);
    auto map = std::make_shared<Map>(*Snapshot());
    (*map)[claim.name()][claim.version()] = Slot{NetworkState::kReady, handle, handle, outline, handle->id};
    Replace(std::move(map));
  }
  static_cast<void>(claim.registry_.release());
  Notify(claim.name());
  return held;
}

Result<NetworkRegistry::Usable> NetworkRegistry::Use(const std::string& name, std::int64_t version) const {
  // Under the mutex, so that it is in use before anybody can see that it is not.
  const MutexLock lock(map_mu_);
  const auto found = FindIn(*map_, name, version);
  if (!found.ok()) {
    return found.status();
  }
  const auto& [number, slot] = *found.value();
  if (slot.state == NetworkState::kReady) {
    return Usable{NetworkHold::Take(slot.handle, reaper_), nullptr};
  }
  if (slot.usable()) {
    return Usable{nullptr, slot.outline};
  }
  return NotUsable(name, number, slot.state);
}

Result<NetworkHandle> NetworkRegistry::Get(const std::string& name, std::int64_t version) const {
  Result<Usable> usable = Use(name, version);
  if (!usable.ok()) {
    return usable.status();
  }
  if (!usable.value().held) {
    return Unavailable(Describe(name, usable.value().outline->version) + " is stored and not resident");
  }
  return std::move(usable).value().held;
}

Result<NetworkHandle> NetworkRegistry::Show(const std::string& name, std::int64_t version) const {
  const std::shared_ptr<const Map> map = Snapshot();
  const auto found = FindIn(*map, name, version);
  if (!found.ok()) {
    return found.status();
  }
  const auto& [number, slot] = *found.value();
  if (!slot.usable()) {
    return NotUsable(name, number, slot.state);
  }
  return slot.handle ? slot.handle : slot.outline;
}

Result<NetworkRegistry::Versions::const_iterator> NetworkRegistry::FindIn(const Map& map,
                                                                          const std::string& name,
                                                                          std::int64_t version) {
  const auto versions = map.find(name);
  if (versions == map.end()) {
    return NotFound("network " + Quote(name) + " is not loaded");
  }
  auto found = versions->second.find(version);
  if (version == 0) {
    const auto usable = std::find_if(versions->second.rbegin(), versions->second.rend(),
                                     [](const auto& item) { return item.second.usable(); });
    found = usable == versions->second.rend() ? std::prev(versions->second.end()) : std::prev(usable.base());
  }
  if (found == versions->second.end()) {
    return NotFound(Describe(name, version) + " is not loaded");
  }
  return found;
}

NetworkListing NetworkRegistry::ListingOf(const std::string& name, std::int64_t version, const Slot& slot) {
  NetworkHandle last = slot.last.lock();
  const bool resident = slot.state == NetworkState::kReady || slot.state == NetworkState::kUnloading;
  return {name, version, slot.state, resident ? std::move(last) : slot.outline};
}

Result<NetworkListing> NetworkRegistry::Find(const std::string& name, std::int64_t version) const {
  const std::shared_ptr<const Map> map = Snapshot();
  const auto found = FindIn(*map, name, version);
  if (!found.ok()) {
    return found.status();
  }
  return ListingOf(name, found.value()->first, found.value()->second);
}

std::vector<NetworkListing> NetworkRegistry::List() const {
  std::vector<NetworkListing> all;
  const std::shared_ptr<const Map> map = Snapshot();  // outlives the loop, which a temporary does not
  for (const auto& [name, versions] : *map) {
    for (const auto& [version, slot] : versions) {
      all.push_back(ListingOf(name, version, slot));
    }
  }
  return all;
}

Result<std::vector<std::int64_t>> NetworkRegistry::Unload(const std::string& name, std::int64_t version,
                                                          const std::shared_ptr<void>& until_freed) {
  std::vector<std::int64_t> unloaded;
  {
    Waiting waiting;  // until nothing more can fail
    const MutexLock lock(write_mu_);
    const Result<NetworkListing> found = Find(name, version);
    if (!found.ok()) {
      return found.status();
    }
    auto map = std::make_shared<Map>(*Snapshot());
    Versions& versions = (*map)[name];
    for (auto it = versions.begin(); it != versions.end();) {
      auto& [number, slot] = *it;
      if ((version != 0 && version != number) || slot.state == NetworkState::kLoading) {
        ++it;
        continue;
      }
      unloaded.push_back(number);
      if (slot.state == NetworkState::kStored) {
        it = versions.erase(it);
        continue;
      }
      slot.state = NetworkState::kUnloading;
      slot.handle = nullptr;
      waiting.emplace(slot.id, until_freed);
      ++it;
    }
    if (versions.empty()) {
      map->erase(name);
    }
    waiting_.merge(waiting);
    if (!unloaded.empty()) {
      Replace(std::move(map));
    }
  }
  if (unloaded.empty()) {
    return Unavailable("network " + Quote(name) + " is still loading");
  }
  Notify(name);
  return unloaded;
}

bool NetworkRegistry::Evict(const std::string& name, std::int64_t version,
                            const std::shared_ptr<void>& until_freed) {
  std::shared_ptr<const Map> before;  // dropped outside the mutexes
  const MutexLock lock(write_mu_);
  auto map = std::make_shared<Map>(*Snapshot());
  const auto found = FindIn(*map, name, version);
  if (!found.ok()) {
    return false;
  }
  Slot& slot = (*map)[name][found.value()->first];
  if (slot.state != NetworkState::kReady || !slot.outline) {
    return false;
  }
  const NetworkHandle evicted = std::exchange(slot.handle, nullptr);
  slot.state = NetworkState::kStored;
  const MutexLock map_lock(map_mu_);  // nobody begins to use it from here on
  if (evicted->use->holders > 0) {
    return false;
  }
  waiting_.emplace(slot.id, until_freed);
  before = std::exchange(map_, std::move(map));
  return true;
}

std::shared_ptr<const NetworkRegistry::Map> NetworkRegistry::Snapshot() const {
  const MutexLock lock(map_mu_);
  return map_;
}

void NetworkRegistry::Replace(std::shared_ptr<const Map> map) {
  const MutexLock lock(map_mu_);
  map_.swap(map);
}

// What was stored before is stored again.
void NetworkRegistry::DropClaim(const std::string& name, std::int64_t version) {
  const MutexLock lock(write_mu_);
  auto map = std::make_shared<Map>(*Snapshot());
  const auto versions = map->find(name);
  const auto slot = versions->second.find(version);
  if (slot->second.outline) {
    slot->second.state = NetworkState::kStored;
  } else {
    versions->second.erase(slot);
  }
  if (versions->second.empty()) {
    map->erase(versions);
  }
  Replace(std::move(map));
}

// The entry with this id is no more, and its version neither where that is unloading.
void NetworkRegistry::Freed(const std::string& name, std::int64_t version, std::uint64_t id) {
  Waiting waiting;  // dropped outside the lock
  {
    const MutexLock lock(write_mu_);
    auto map = std::make_shared<Map>(*Snapshot());
    if (const auto versions = map->find(name); versions != map->end()) {
      const auto slot = versions->second.find(version);
      if (slot != versions->second.end() && slot->second.id == id &&
          slot->second.state == NetworkState::kUnloading) {
        versions->second.erase(slot);
        if (versions->second.empty()) {
          map->erase(versions);
        }
        Replace(std::move(map));
      }
    }
    while (Waiting::node_type one = waiting_.extract(id)) {
      waiting.insert(std::move(one));
    }
  }
}

// The change is made: it cannot be taken back for want of memory to tell of it.
void NetworkRegistry::Notify(const std::string& name) {
  if (!listener_) {
    return;
  }
  OnceThereIsMemory([&] {
    const MutexLock lock(notify_mu_);
    const std::shared_ptr<const Map> map = Snapshot();
    const auto versions = map->find(name);
    const bool ready = versions != map->end() && std::any_of(versions->second.begin(), versions->second.end(),
                                                             [](auto& item) { return item.second.usable(); });
    listener_(name, ready);
  });
}

void NetworkRegistry::ReapUntilStopped() {
  while (std::unique_ptr<const NetworkEntry> entry = reaper_->Pop()) {
    std::string name;
    OnceThereIsMemory([&] { name = entry->name; });
    const std::int64_t version = entry->version;
    const std::uint64_t id = entry->id;
    entry.reset();
    OnceThereIsMemory([&] { Freed(name, version, id); });
  }
}

}  // namespace spikeserve::serving
