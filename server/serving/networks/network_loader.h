#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/backend.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_entry.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/networks/network_repository.h"

namespace spikeserve::serving {

class Aliases;

// What loading needs; everything outlives the loader.
struct LoaderContext {
  NetworkRegistry& registry;
  MemoryBudget& budget;
  const engine::Backend& backend;
  const NetworkRepository* repository = nullptr;  // null: networks are not stored
  ParseNetwork parse;
  engine::NetworkLimits limits;
  std::int64_t max_upload_bytes = 0;
  const Aliases* aliases = nullptr;  // null: there are none
  bool on_demand = false;            // stored networks wait for somebody to ask for them
  bool polled = false;               // files that change are taken up at the next look
};

// A definition as it came, and whether anybody still waits for it.
struct Upload {
  std::string bytes;
  std::string sha256;  // of the bytes, 32 bytes
  engine::Mode mode = engine::Mode::kExact;
  std::stop_token cancelled;
  NetworkShares::Share share = {};  // of who uploads it
};

// What refreshing a version came to.
enum class Refreshed { kSame, kLoaded, kExchanged };

// Turns the bytes of a definition into a ready network: parse, check, reserve, load, warm up, store,
// publish. A load that fails leaves nothing behind. Thread-safe.
class NetworkLoader {
 public:
  explicit NetworkLoader(LoaderContext context) : context_(std::move(context)) {}

  // Upper bound of what holding `upload_bytes` takes, with the weights in them once more as parsed. What
  // small messages grow by is reserved when they are parsed.
  std::int64_t EstimateUploadBytes(std::int64_t upload_bytes) const;
  // RESOURCE_EXHAUSTED where the disk of the repository has no room for a network of so many bytes.
  Status CheckFreeSpace(std::int64_t upload_bytes) const;
  // Claims the name; version 0 is one above all loaded and stored ones. ALREADY_EXISTS also for a
  // version that is stored and could not be loaded; FAILED_PRECONDITION where another server owns the
  // repository, or it cannot be written.
  Result<NetworkRegistry::Claim> Begin(const std::string& name, std::int64_t version) const;
  // The share of `tenant` in a network whose definition has `bytes`. RESOURCE_EXHAUSTED where it may have no
  // more.
  Result<NetworkShares::Share> TakeShare(Tenant& tenant, std::int64_t bytes) const {
    return shares_->Reserve(tenant, bytes);
  }
  // Who has loaded how much.
  const NetworkShares& shares() const { return *shares_; }
  // Slow: not for an RPC thread.
  Result<NetworkHandle> Load(NetworkRegistry::Claim claim, Upload upload) const;
  // Takes up one stored network: loads it or, on demand, checks it and answers with its outline.
  Result<NetworkHandle> LoadStored(const StoredVersion& stored) const;
  // Makes what is loaded what is stored: loads a version that is not there, exchanges one whose file has
  // other bytes, both at once resident until then. What fails changes nothing; UNAVAILABLE: not now, as the
  // version is on its way in or out; DATA_LOSS: the file is damaged, or not all there yet.
  Result<Refreshed> Refresh(const StoredVersion& stored) const;
  // Unloads a version whose file somebody else has deleted. NOT_FOUND where it is not loaded.
  Status Forget(const StoredVersion& stored) const;
  // Loads one that is stored and known, and holds it. DATA_LOSS where its file is not what it was.
  Result<NetworkHandle> Reload(const NetworkEntry& outline) const;
  // Memory that Reload needs for a moment, at most, about: less than that is never enough.
  std::int64_t ReloadBytes(const NetworkEntry& outline) const {
    return EstimateUploadBytes(outline.definition_bytes) + outline.estimate_bytes +
           std::max<std::int64_t>(outline.parsed_bytes, *outline.warm_up_bytes);
  }
  // Called once, with the versions when their memory is free and their files are gone, or with what failed.
  // Does not throw.
  using Unloaded = std::function<void(Result<std::vector<std::int64_t>>)>;
  // Deletes the stored files and unloads, also what is stored and not loaded. A version whose file cannot be
  // deleted stays loaded, as it would come back with the next start; one whose file is gone, but not
  // certainly for good, is unloaded, and said to have failed. Not at the same time as a Load of the same
  // name.
  void Unload(const std::string& name, std::int64_t version, Unloaded done) const;

 private:
  std::vector<std::int64_t> Known(const std::string& name, std::int64_t version) const;
  Result<std::vector<std::int64_t>> UnloadEach(const std::string& name, std::int64_t version,
                                               const std::shared_ptr<void>& until_freed) const;
  // What became of a file that was to be deleted.
  struct StoreRemoval {
    Status status;
    bool stays = false;
  };
  StoreRemoval RemoveStored(const std::string& name, std::int64_t version) const;
  Result<NetworkHandle> LoadChecked(NetworkRegistry::Claim claim, Upload& upload) const;
  Result<NetworkHandle> LoadStoredChecked(const StoredVersion& stored) const;
  Result<Refreshed> RefreshChecked(const StoredVersion& stored) const;
  // The network of a stored file, which is for the caller to publish, or only checked.
  Result<std::unique_ptr<NetworkEntry>> ReadStored(const StoredVersion& stored, bool resident) const;
  Result<NetworkHandle> ReloadChecked(const NetworkEntry& outline) const;
  Result<NetworkFile> ReadFile(const StoredVersion& stored, MemoryBudget::Reservation& reservation) const;
  Result<std::shared_ptr<const NetworkEntry>> Outline(const NetworkEntry& entry) const;
  Status Store(const NetworkRegistry::Claim& claim, const Upload& upload, const std::string& owner) const;
  Result<engine::Network> Parse(std::string_view bytes, NetworkEntry& entry) const;
  Result<std::unique_ptr<NetworkEntry>> Check(std::string_view bytes, engine::Mode mode) const;
  // `known` shows a network of the same bytes, and hears what the load finds out.
  Result<std::unique_ptr<NetworkEntry>> MakeResident(std::string_view bytes, engine::Mode mode,
                                                     const StopCheck& stopped,
                                                     const NetworkEntry* known = nullptr) const;
  Status WarmUp(const NetworkEntry& entry, const StopCheck& stopped) const;

  const LoaderContext context_;
  const std::shared_ptr<NetworkShares> shares_ = std::make_shared<NetworkShares>();
};

}  // namespace spikeserve::serving
