#pragma once

#include <cstdint>
#include <string>

#include "server/base/status.h"
#include "server/engine/backend.h"
#include "server/engine/network.h"
#include "server/serving/memory_budget.h"
#include "server/serving/network_entry.h"
#include "server/serving/network_registry.h"
#include "server/serving/network_repository.h"

namespace spikeserve::serving {

// What loading needs; everything outlives the loader.
struct LoaderContext {
  NetworkRegistry& registry;
  MemoryBudget& budget;
  const engine::Backend& backend;
  const NetworkRepository* repository = nullptr;  // null: networks are not stored
  ParseNetwork parse;
  engine::NetworkLimits limits;
  std::int64_t max_upload_bytes = 0;
};

// Turns the bytes of a definition into a ready network: parse, check, reserve, load, warm up, store,
// publish. A load that fails leaves nothing behind. Thread-safe.
class NetworkLoader {
 public:
  explicit NetworkLoader(LoaderContext context) : context_(std::move(context)) {}

  // Claims the name; version 0 is one above all loaded and stored ones.
  Result<NetworkRegistry::Claim> Begin(const std::string& name, std::int64_t version) const;
  // Slow: not for an RPC thread.
  Result<NetworkHandle> Load(NetworkRegistry::Claim claim, std::string bytes,
                             engine::Mode mode) const;
  // Loads one stored network at start.
  Result<NetworkHandle> LoadStored(const StoredVersion& stored) const;
  // Unloads and deletes the stored files; see NetworkRegistry::Unload.
  Result<std::vector<std::int64_t>> Unload(const std::string& name, std::int64_t version,
                                           std::function<void()> on_freed) const;

 private:
  Result<std::unique_ptr<NetworkEntry>> MakeResident(std::string_view bytes,
                                                     engine::Mode mode) const;
  Status WarmUp(const NetworkEntry& entry) const;

  const LoaderContext context_;
};

}  // namespace spikeserve::serving
