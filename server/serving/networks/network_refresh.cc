#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/engine/network/outline.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/sha256.h"

namespace spikeserve::serving {

Result<NetworkHandle> NetworkLoader::Reload(const NetworkEntry& outline) const {
  return Guarded([&] { return ReloadChecked(outline); }, "while loading the network");
}

Result<NetworkHandle> NetworkLoader::ReloadChecked(const NetworkEntry& outline) const {
  auto claim = context_.registry.BeginReload(outline.name, outline.version);
  if (!claim.ok()) {
    return claim.status();
  }
  // The one that is known, which need not be the caller's any more.
  const NetworkHandle known = context_.registry.Find(outline.name, outline.version).value().handle;
  MemoryBudget::Reservation reservation;
  auto file = ReadFile({known->name, known->version}, reservation);
  if (!file.ok()) {
    return file.status();
  }
  if (ToHex(file.value().sha256) != known->sha256) {
    const std::string what = "network " + Quote(known->name) + " version " + std::to_string(known->version) +
                             ": its file is another one than when it was taken up";
    return context_.polled ? Unavailable(what + "; the next look at the repository takes it up")
                           : Status(StatusCode::kDataLoss, what);
  }
  auto made = MakeResident(file.value().payload, file.value().mode, {}, known.get());
  if (!made.ok()) {
    return made.status();
  }
  NetworkEntry& entry = *made.value();
  entry.name = known->name;
  entry.version = known->version;
  entry.sha256 = known->sha256;
  entry.share = known->share;
  entry.statistics = known->statistics;
  entry.costs = known->costs;
  entry.outline = known;
  entry.instance = known->instance;  // it is the same, so that kept answers are still right
  return context_.registry.Publish(std::move(claim).value(), std::move(made).value());
}

Result<std::shared_ptr<const NetworkEntry>> NetworkLoader::Outline(const NetworkEntry& entry) const {
  auto outline = std::make_shared<NetworkEntry>();
  outline->network = std::make_shared<const engine::Network>(engine::OutlineOf(*entry.network));
  auto reservation =
      context_.budget.Reserve(outline->network->bytes() + entry.metadata.bytes(), "the network's outline");
  if (!reservation.ok()) {
    return reservation.status();
  }
  outline->reservation = std::move(reservation).value();
  outline->name = entry.name;
  outline->version = entry.version;
  outline->mode = entry.mode;
  outline->backend = entry.backend;
  outline->sha256 = entry.sha256;
  outline->metadata = entry.metadata;
  outline->loaded_at = entry.loaded_at;
  outline->statistics = entry.statistics;
  outline->costs = entry.costs;
  outline->share = entry.share;
  outline->instance = entry.instance;
  outline->definition_bytes = entry.definition_bytes;
  outline->estimate_bytes = entry.estimate_bytes;
  outline->parsed_bytes = entry.parsed_bytes;
  outline->warm_up_bytes = entry.warm_up_bytes;
  return std::shared_ptr<const NetworkEntry>(std::move(outline));
}

Result<Refreshed> NetworkLoader::Refresh(const StoredVersion& stored) const {
  return Guarded([&] { return RefreshChecked(stored); }, "while loading the network");
}

Result<Refreshed> NetworkLoader::RefreshChecked(const StoredVersion& stored) const {
  // A file that grows is not read before all of it is there.
  const auto header = context_.repository->ReadHeader(stored.name, stored.version);
  if (!header.ok()) {
    return header.status();
  }
  // Not held while the new file is read, which may need the memory of what is loaded.
  auto loaded = std::make_optional(context_.registry.Find(stored.name, stored.version));
  if (!loaded->ok()) {
    const auto handle = LoadStoredChecked(stored);
    return handle.ok() ? Result(Refreshed::kLoaded) : Result<Refreshed>(handle.status());
  }
  const NetworkState state = loaded->value().state;
  const bool resident = state == NetworkState::kReady;
  NetworkHandle handle = loaded->value().handle;
  loaded.reset();
  if ((!resident && state != NetworkState::kStored) || !handle) {
    return Unavailable("version " + std::to_string(stored.version) + " is still loading or being unloaded");
  }
  if (handle->sha256 == ToHex(header.value().sha256) && handle->mode == header.value().mode) {
    return Refreshed::kSame;
  }
  handle.reset();
  auto entry = ReadStored(stored, resident);
  if (!entry.ok()) {
    return entry.status();
  }
  const auto exchanged = resident ? context_.registry.Exchange(std::move(entry).value())
                                  : context_.registry.ExchangeStored(entry.value()->outline);
  return exchanged.ok() ? Result(Refreshed::kExchanged) : Result<Refreshed>(exchanged.status());
}

Status NetworkLoader::Forget(const StoredVersion& stored) const {
  return context_.registry.Unload(stored.name, stored.version, nullptr).status();
}

}  // namespace spikeserve::serving
