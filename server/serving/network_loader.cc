#include "server/serving/network_loader.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>
#include <variant>
#include <vector>

#include "server/serving/sha256.h"

namespace spikeserve::serving {
namespace {

// Enough to touch every layer once and to let lazy set-up happen before the first request.
constexpr std::int64_t kWarmUpSteps = 2;

// All OUTPUT probes over a few steps of constant input.
engine::SimulationSpec WarmUpSpec(const engine::Network& network) {
  engine::SimulationSpec spec;
  const engine::NetworkDefinition& definition = network.definition();
  spec.settings.dt_s = definition.defaults.dt > 0 ? definition.defaults.dt : spec.settings.dt_s;
  spec.settings.steps = kWarmUpSteps;
  spec.inputs.resize(network.inputs().size());
  for (std::size_t i = 0; i < definition.probes.size(); ++i) {
    if (definition.probes[i].quantity == engine::ProbeQuantity::kOutput) {
      spec.probes.push_back(static_cast<std::int64_t>(i));
    }
  }
  return spec;
}

// Runs `work`, turning what it throws into a status.
template <typename Work>
auto Guarded(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory while loading the network");
  } catch (const std::exception& error) {
    return Internal(std::string("while loading the network: ") + error.what());
  }
}

}  // namespace

Result<NetworkRegistry::Claim> NetworkLoader::Begin(const std::string& name,
                                                    std::int64_t version) const {
  const NetworkRepository* repository = context_.repository;
  return context_.registry.BeginLoad(name, version,
                                     repository ? repository->HighestVersion(name) : 0);
}

Result<NetworkHandle> NetworkLoader::Load(NetworkRegistry::Claim claim, std::string bytes,
                                          engine::Mode mode) const {
  auto entry = Guarded([&] { return MakeResident(bytes, mode); });
  if (!entry.ok()) return entry.status();
  entry.value()->name = claim.name();
  entry.value()->version = claim.version();
  const std::string digest = Sha256(bytes);
  entry.value()->sha256 = ToHex(digest);
  if (context_.repository) {
    Status stored = Guarded([&] {
      return context_.repository->Write(claim.name(), claim.version(), mode, bytes, digest);
    });
    if (!stored.ok()) return stored;
  }
  return context_.registry.Publish(std::move(claim), std::move(entry).value());
}

Result<NetworkHandle> NetworkLoader::LoadStored(const StoredVersion& stored) const {
  auto file = Guarded([&] {
    return context_.repository->Read(stored.name, stored.version, context_.max_upload_bytes);
  });
  if (!file.ok()) return file.status();
  auto claim = context_.registry.BeginLoad(stored.name, stored.version, 0);
  if (!claim.ok()) return claim.status();
  auto entry = Guarded([&] { return MakeResident(file.value().payload, file.value().mode); });
  if (!entry.ok()) return entry.status();
  entry.value()->name = stored.name;
  entry.value()->version = stored.version;
  entry.value()->sha256 = ToHex(Sha256(file.value().payload));
  return context_.registry.Publish(std::move(claim).value(), std::move(entry).value());
}

Result<std::vector<std::int64_t>> NetworkLoader::Unload(const std::string& name,
                                                        std::int64_t version,
                                                        std::function<void()> on_freed) const {
  auto versions = context_.registry.Unload(name, version, std::move(on_freed));
  if (!versions.ok() || !context_.repository) return versions;
  for (const std::int64_t unloaded : versions.value()) {
    Status removed = context_.repository->Remove(name, unloaded);
    if (!removed.ok()) return removed;
  }
  return versions;
}

Result<std::unique_ptr<NetworkEntry>> NetworkLoader::MakeResident(std::string_view bytes,
                                                                  engine::Mode mode) const {
  Result<ParsedNetwork> parsed = context_.parse(bytes);
  if (!parsed.ok()) return parsed.status();
  auto network =
      engine::Network::Create(std::move(parsed.value().definition), context_.limits);
  if (!network.ok()) return network.status();
  auto entry = std::make_unique<NetworkEntry>();
  entry->mode = mode;
  entry->backend = context_.backend.name();
  entry->metadata = std::move(parsed.value().metadata);
  entry->loaded_at = std::chrono::system_clock::now();
  entry->network = std::make_shared<const engine::Network>(std::move(network).value());

  const auto estimate = context_.backend.EstimateBytes(*entry->network, mode);
  if (!estimate.ok()) return estimate.status();
  auto reservation = context_.budget.Reserve(estimate.value(), "the network");
  if (!reservation.ok()) return reservation.status();
  entry->reservation = std::move(reservation).value();
  auto resident = context_.backend.Load(entry->network, mode);
  if (!resident.ok()) return resident.status();
  entry->resident = std::move(resident).value();
  entry->reservation.ShrinkTo(entry->resident->bytes());
  if (Status warm = WarmUp(*entry); !warm.ok()) return warm;
  return entry;
}

Status NetworkLoader::WarmUp(const NetworkEntry& entry) const {
  const engine::SimulationSpec spec = WarmUpSpec(*entry.network);
  const auto reservation =
      context_.budget.Reserve(entry.resident->EstimateRunBytes(spec, 1), "the warm-up run");
  if (!reservation.ok()) return reservation.status();
  std::int64_t largest = 1;
  for (const std::int64_t input : entry.network->inputs()) {
    largest = std::max(largest, entry.network->size(input));
  }
  const std::vector<float> zeros(static_cast<std::size_t>(largest), 0.0F);
  const auto* data = reinterpret_cast<const std::byte*>(zeros.data());
  const std::vector<engine::SampleInputs> samples{
      {std::vector<const std::byte*>(spec.inputs.size(), data)}};
  auto simulation = entry.resident->NewSimulation(spec, samples);
  if (!simulation.ok()) return simulation.status();
  if (Status status = simulation.value()->Advance(kWarmUpSteps); !status.ok()) return status;
  return simulation.value()->Read().status();
}

}  // namespace spikeserve::serving
