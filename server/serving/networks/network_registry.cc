#include "server/serving/networks/network_registry.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <utility>

#include "server/base/quote.h"
#include "server/serving/names.h"

namespace spikeserve::serving {
namespace {

std::string Describe(const std::string& name, std::int64_t version) {
  return "network " + Quote(name) + " version " + std::to_string(version);
}

}  // namespace

// Where dropped networks wait to be freed. Owned by the registry and by every handle's deleter.
struct NetworkRegistry::Reaper {
  Mutex mu;
  std::condition_variable_any changed;
  std::deque<std::unique_ptr<const NetworkEntry>> dead SPIKESERVE_GUARDED_BY(mu);
  bool stopped SPIKESERVE_GUARDED_BY(mu) = false;

  void Push(std::unique_ptr<const NetworkEntry> entry) {
    const MutexLock lock(mu);
    if (stopped) {
      return;  // the registry is gone: free it here
    }
    dead.push_back(std::move(entry));
    changed.notify_one();
  }

  void Stop() {
    const MutexLock lock(mu);
    stopped = true;
    changed.notify_one();
  }

  // Null when stopped and empty.
  std::unique_ptr<const NetworkEntry> Pop() {
    const MutexLock lock(mu);
    changed.wait(mu, [this]() SPIKESERVE_REQUIRES(mu) { return stopped || !dead.empty(); });
    if (dead.empty()) {
      return nullptr;
    }
    std::unique_ptr<const NetworkEntry> entry = std::move(dead.front());
    dead.pop_front();
    return entry;
  }
};

NetworkRegistry::Claim::~Claim() {
  if (registry_) {
    registry_->Erase(name_, version_, NetworkState::kLoading);
  }
}

NetworkRegistry::NetworkRegistry(Listener listener)
    : listener_(std::move(listener)),
      reaper_(std::make_shared<Reaper>()),
      map_(std::make_shared<const Map>()),
      reaper_thread_([this] { ReapUntilStopped(); }) {}

NetworkRegistry::~NetworkRegistry() {
  Replace(std::make_shared<const Map>());
  reaper_->Stop();
}

Result<NetworkRegistry::Claim> NetworkRegistry::BeginLoad(const std::string& name, std::int64_t version,
                                                          std::int64_t highest_stored) {
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
    return AlreadyExists(Describe(name, version) + " is already " +
                         (found->second.state == NetworkState::kReady ? "loaded" : "loading"));
  }
  versions.emplace(version, Slot{});
  Replace(std::move(map));
  return Claim(this, name, version);
}

NetworkHandle NetworkRegistry::MakeHandle(std::unique_ptr<NetworkEntry> entry) const {
  return {entry.release(), [reaper = reaper_](const NetworkEntry* dropped) {
            reaper->Push(std::unique_ptr<const NetworkEntry>(dropped));
          }};
}

NetworkHandle NetworkRegistry::Publish(Claim claim, std::unique_ptr<NetworkEntry> entry) {
  const NetworkHandle handle = MakeHandle(std::move(entry));
  {
    const MutexLock lock(write_mu_);
    auto map = std::make_shared<Map>(*Snapshot());
    (*map)[claim.name()][claim.version()] = Slot{NetworkState::kReady, handle, handle};
    Replace(std::move(map));
  }
  static_cast<void>(claim.registry_.release());
  Notify(claim.name());
  return handle;
}

Result<NetworkHandle> NetworkRegistry::Exchange(std::unique_ptr<NetworkEntry> entry) {
  const NetworkHandle handle = MakeHandle(std::move(entry));
  {
    const MutexLock lock(write_mu_);
    const Result<NetworkListing> found = Find(handle->name, handle->version);
    if (!found.ok() || found.value().state != NetworkState::kReady) {
      return Unavailable(Describe(handle->name, handle->version) + " is not ready any more");
    }
    auto map = std::make_shared<Map>(*Snapshot());
    (*map)[handle->name][handle->version] = Slot{NetworkState::kReady, handle, handle};
    Replace(std::move(map));
  }
  Notify(handle->name);
  return handle;
}

Result<NetworkHandle> NetworkRegistry::Get(const std::string& name, std::int64_t version) const {
  Result<NetworkListing> found = Find(name, version);
  if (!found.ok()) {
    return found.status();
  }
  const NetworkListing& listing = found.value();
  switch (listing.state) {
    case NetworkState::kReady: return listing.handle;
    case NetworkState::kLoading: return Unavailable(Describe(name, listing.version) + " is still loading");
    case NetworkState::kUnloading: break;
  }
  return NotFound(Describe(name, listing.version) + " is being unloaded");
}

Result<NetworkListing> NetworkRegistry::Find(const std::string& name, std::int64_t version) const {
  const std::shared_ptr<const Map> map = Snapshot();
  const auto versions = map->find(name);
  if (versions == map->end()) {
    return NotFound("network " + Quote(name) + " is not loaded");
  }
  auto found = versions->second.find(version);
  if (version == 0) {
    const auto ready = std::find_if(versions->second.rbegin(), versions->second.rend(), [](const auto& item) {
      return item.second.state == NetworkState::kReady;
    });
    found = ready == versions->second.rend() ? std::prev(versions->second.end()) : std::prev(ready.base());
  }
  if (found == versions->second.end()) {
    return NotFound(Describe(name, version) + " is not loaded");
  }
  const auto& [number, slot] = *found;
  return NetworkListing{name, number, slot.state, slot.last.lock()};
}

std::vector<NetworkListing> NetworkRegistry::List() const {
  std::vector<NetworkListing> all;
  const std::shared_ptr<const Map> map = Snapshot();  // outlives the loop, which a temporary does not
  for (const auto& [name, versions] : *map) {
    for (const auto& [version, slot] : versions) {
      all.push_back({name, version, slot.state, slot.last.lock()});
    }
  }
  return all;
}

Result<std::vector<std::int64_t>> NetworkRegistry::Unload(const std::string& name, std::int64_t version,
                                                          const std::shared_ptr<void>& until_freed) {
  std::vector<std::int64_t> unloaded;
  {
    const MutexLock lock(write_mu_);
    const Result<NetworkListing> found = Find(name, version);
    if (!found.ok()) {
      return found.status();
    }
    auto map = std::make_shared<Map>(*Snapshot());
    for (auto& [number, slot] : (*map)[name]) {
      if (version != 0 && version != number) {
        continue;
      }
      if (slot.state == NetworkState::kLoading) {
        continue;
      }
      slot.state = NetworkState::kUnloading;
      slot.handle = nullptr;
      waiting_.emplace(std::pair(name, number), until_freed);
      unloaded.push_back(number);
    }
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

std::shared_ptr<const NetworkRegistry::Map> NetworkRegistry::Snapshot() const {
  const MutexLock lock(map_mu_);
  return map_;
}

void NetworkRegistry::Replace(std::shared_ptr<const Map> map) {
  const MutexLock lock(map_mu_);
  map_.swap(map);
}

// Does nothing where the version is in another state, hence somebody else's, or was exchanged and the other
// one is still in use.
void NetworkRegistry::Erase(const std::string& name, std::int64_t version, NetworkState state) {
  std::vector<std::shared_ptr<void>> freed;  // dropped outside the lock
  {
    const MutexLock lock(write_mu_);
    auto map = std::make_shared<Map>(*Snapshot());
    const auto versions = map->find(name);
    if (versions == map->end()) {
      return;
    }
    const auto slot = versions->second.find(version);
    if (slot == versions->second.end() || slot->second.state != state || !slot->second.last.expired()) {
      return;
    }
    versions->second.erase(slot);
    if (versions->second.empty()) {
      map->erase(versions);
    }
    Replace(std::move(map));
    const auto [first, last] = waiting_.equal_range({name, version});
    for (auto it = first; it != last; ++it) {
      freed.push_back(std::move(it->second));
    }
    waiting_.erase(first, last);
  }
}

void NetworkRegistry::Notify(const std::string& name) {
  if (!listener_) {
    return;
  }
  const MutexLock lock(notify_mu_);
  const std::shared_ptr<const Map> map = Snapshot();
  const auto versions = map->find(name);
  const bool ready = versions != map->end() &&
                     std::any_of(versions->second.begin(), versions->second.end(),
                                 [](auto& item) { return item.second.state == NetworkState::kReady; });
  listener_(name, ready);
}

void NetworkRegistry::ReapUntilStopped() {
  while (std::unique_ptr<const NetworkEntry> entry = reaper_->Pop()) {
    const std::string name = entry->name;
    const std::int64_t version = entry->version;
    entry.reset();
    Erase(name, version, NetworkState::kUnloading);
  }
}

}  // namespace spikeserve::serving
