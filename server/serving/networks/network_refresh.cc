#include <utility>

#include "server/base/guarded.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/sha256.h"

namespace spikeserve::serving {

Result<Refreshed> NetworkLoader::Refresh(const StoredVersion& stored) const {
  return Guarded([&] { return RefreshChecked(stored); }, "while loading the network");
}

Result<Refreshed> NetworkLoader::RefreshChecked(const StoredVersion& stored) const {
  // A file that grows is not read before all of it is there.
  const auto header = context_.repository->ReadHeader(stored.name, stored.version);
  if (!header.ok()) {
    return header.status();
  }
  const auto loaded = context_.registry.Find(stored.name, stored.version);
  if (!loaded.ok()) {
    const auto handle = LoadStoredChecked(stored);
    return handle.ok() ? Result(Refreshed::kLoaded) : Result<Refreshed>(handle.status());
  }
  const NetworkHandle& handle = loaded.value().handle;
  if (loaded.value().state != NetworkState::kReady || !handle) {
    return Unavailable("version " + std::to_string(stored.version) + " is still loading or being unloaded");
  }
  if (handle->sha256 == ToHex(header.value().sha256) && handle->mode == header.value().mode) {
    return Refreshed::kSame;
  }
  auto entry = ReadStored(stored);
  if (!entry.ok()) {
    return entry.status();
  }
  const auto exchanged = context_.registry.Exchange(std::move(entry).value());
  return exchanged.ok() ? Result(Refreshed::kExchanged) : Result<Refreshed>(exchanged.status());
}

Status NetworkLoader::Forget(const StoredVersion& stored) const {
  return context_.registry.Unload(stored.name, stored.version, nullptr).status();
}

}  // namespace spikeserve::serving
