#pragma once

#include <memory>
#include <string_view>

#include "server/engine/run/backend.h"
#include "server/rpc/wire/limits.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"

// What the fuzz targets share: a server's parts without its wire, with limits so small that no input takes
// long.
namespace spikeserve::fuzz {

// Ends the process, which is how a target tells of a broken promise.
void Require(bool holds, std::string_view promise);

class FuzzServer {
 public:
  FuzzServer();

  const rpc::Limits& limits() const { return limits_; }
  serving::MemoryBudget& budget() { return budget_; }
  const engine::Backend& backend() const { return *backend_; }
  serving::NetworkRegistry& registry() { return registry_; }
  const serving::NetworkLoader& loader() const { return loader_; }

 private:
  const rpc::Limits limits_;
  serving::MemoryBudget budget_;
  const std::unique_ptr<engine::Backend> backend_;
  serving::NetworkRegistry registry_;
  const serving::NetworkLoader loader_;
};

}  // namespace spikeserve::fuzz
