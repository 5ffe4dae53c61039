#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/networks/network_entry.h"

namespace spikeserve::serving {

class NetworkReaper;

// Stored: not in memory, and made resident when somebody asks for it.
enum class NetworkState { kLoading, kReady, kUnloading, kStored };

// One network as it stands now.
struct NetworkListing {
  std::string name;
  std::int64_t version = 0;
  NetworkState state = NetworkState::kLoading;
  // An outline of one that is stored. Null while a new one loads, and when the last run of an unloading one
  // is over.
  NetworkHandle handle;
};

// The networks by name and version. Each change replaces the whole map, so that readers never wait for
// one. Thread-safe; outlives its claims, but not necessarily its handles.
//
// A version goes: claimed (LOADING) -> Publish (READY) -> Unload (UNLOADING) -> last handle dropped
// -> freed by the reaper thread -> gone. A claim dropped before Publish is gone at once. One with an outline
// also goes READY -> Evict (STORED) -> BeginReload (LOADING) -> Publish (READY), and back to STORED where
// that claim is dropped; begun by Keep it starts as STORED.
class NetworkRegistry {
 public:
  // Told after a change whether `name` has a ready version. Must return at once.
  using Listener = std::function<void(const std::string& name, bool ready)>;

  // The right to publish one name and version; held by one loader at a time.
  class Claim {
   public:
    Claim(Claim&& other) noexcept = default;
    Claim& operator=(Claim&&) = delete;
    ~Claim();

    const std::string& name() const { return name_; }
    std::int64_t version() const { return version_; }

   private:
    friend class NetworkRegistry;
    struct Release {
      void operator()(NetworkRegistry*) const {}
    };
    Claim(NetworkRegistry* registry, std::string name, std::int64_t version)
        : registry_(registry), name_(std::move(name)), version_(version) {}

    std::unique_ptr<NetworkRegistry, Release> registry_;  // null once published or moved from
    std::string name_;
    std::int64_t version_;
  };

  explicit NetworkRegistry(Listener listener = {});
  ~NetworkRegistry();
  NetworkRegistry(const NetworkRegistry&) = delete;
  NetworkRegistry& operator=(const NetworkRegistry&) = delete;

  // Version 0: one above the highest known and above `highest_stored`. ALREADY_EXISTS where it is
  // loading or ready, UNAVAILABLE where it is still being unloaded, OUT_OF_RANGE past kMaxVersion.
  Result<Claim> BeginLoad(const std::string& name, std::int64_t version, std::int64_t highest_stored);
  // Makes the claimed network ready, and holds it; entry's name and version are the claim's.
  NetworkHandle Publish(Claim claim, std::unique_ptr<NetworkEntry> entry);
  // The claimed network is stored, and this is what there is to show of it.
  NetworkHandle Keep(Claim claim, NetworkHandle outline);
  // The right to make one that is stored ready. NOT_FOUND, ALREADY_EXISTS where it is ready or on its way.
  Result<Claim> BeginReload(const std::string& name, std::int64_t version);

  // Puts `entry` in the place of the ready network of its name and version: requests that have that one
  // finish with it. UNAVAILABLE where none is ready any more.
  Result<NetworkHandle> Exchange(std::unique_ptr<NetworkEntry> entry);
  // The same for one that is stored and not resident.
  Result<NetworkHandle> ExchangeStored(NetworkHandle outline);

  // A network that can be used; version 0 is the highest of these. One that is stored, or being loaded from
  // there, is `stored` and not held. NOT_FOUND, or UNAVAILABLE while a new one loads.
  struct Usable {
    NetworkHandle held;     // in use until this is dropped; null where it is not resident
    NetworkHandle outline;  // null where it is resident
  };
  Result<Usable> Use(const std::string& name, std::int64_t version) const;
  // The same for who cannot wait: UNAVAILABLE also where it is stored.
  Result<NetworkHandle> Get(const std::string& name, std::int64_t version) const;
  // The same to be shown, resident or not. In use by nobody.
  Result<NetworkHandle> Show(const std::string& name, std::int64_t version) const;
  // Any network; version 0 is the highest that can be used, else the highest.
  Result<NetworkListing> Find(const std::string& name, std::int64_t version) const;
  std::vector<NetworkListing> List() const;
  // Lets go of a resident network that has an outline and that nobody uses: whether it did. `until_freed` as
  // for Unload.
  bool Evict(const std::string& name, std::int64_t version, const std::shared_ptr<void>& until_freed);

  // Stops new use of one version, or of all (0) that are not loading, and returns which. Copies of
  // `until_freed` are held until the memory of all of them is free; the reaper thread drops the last.
  Result<std::vector<std::int64_t>> Unload(const std::string& name, std::int64_t version,
                                           const std::shared_ptr<void>& until_freed);

 private:
  struct Slot {
    NetworkState state = NetworkState::kLoading;
    NetworkHandle handle;                    // only where ready
    std::weak_ptr<const NetworkEntry> last;  // what the handle was
    NetworkHandle outline;                   // where it can be stored without being resident
    std::uint64_t id = 0;                    // of the entry that is, or was last, resident
    // Whether a request for it is answered, at once or soon.
    bool usable() const {
      return state == NetworkState::kReady || (outline && state != NetworkState::kUnloading);
    }
  };
  using Versions = std::map<std::int64_t, Slot>;
  using Map = std::map<std::string, Versions>;
  using Waiting = std::multimap<std::uint64_t, std::shared_ptr<void>>;
  NetworkHandle MakeHandle(std::unique_ptr<NetworkEntry> entry) const;
  static Result<Versions::const_iterator> FindIn(const Map& map, const std::string& name,
                                                 std::int64_t version);
  static NetworkListing ListingOf(const std::string& name, std::int64_t version, const Slot& slot);
  std::shared_ptr<const Map> Snapshot() const;
  void Replace(std::shared_ptr<const Map> map);
  void DropClaim(const std::string& name, std::int64_t version);
  void Freed(const std::string& name, std::int64_t version, std::uint64_t id);
  void Notify(const std::string& name);
  void ReapUntilStopped();

  const Listener listener_;
  const std::shared_ptr<NetworkReaper> reaper_;
  Mutex write_mu_;  // held while a new map is made
  std::uint64_t last_id_ SPIKESERVE_GUARDED_BY(write_mu_) = 0;
  // What is dropped once the entry with this id is freed.
  Waiting waiting_ SPIKESERVE_GUARDED_BY(write_mu_);
  Mutex notify_mu_;  // held while the listener runs, so that news arrive in order
  mutable Mutex map_mu_;
  std::shared_ptr<const Map> map_ SPIKESERVE_GUARDED_BY(map_mu_);
  std::jthread reaper_thread_;
};

}  // namespace spikeserve::serving
