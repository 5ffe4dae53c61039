#include "server/serving/networks/network_loader.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/serving/networks/aliases.h"
#include "server/serving/sha256.h"

namespace spikeserve::serving {
namespace {

// Enough to touch every layer once and to let lazy set-up happen before the first request.
constexpr std::int64_t kWarmUpSteps = 2;
constexpr std::size_t kMaxListed = 50;  // an answer is for people to read
constexpr std::string_view kLoading = "while loading the network";

// All OUTPUT probes over a few steps of constant input.
engine::SimulationSpec WarmUpSpec(const engine::Network& network) {
  engine::SimulationSpec spec;
  const double dt_s = network.definition().defaults.dt;
  spec.settings.dt_s = dt_s > 0 ? dt_s : spec.settings.dt_s;
  spec.settings.steps = kWarmUpSteps;
  spec.inputs.resize(network.inputs().size());
  spec.probes = network.output_probes();
  return spec;
}

// Labels name the outputs of the probe that gives the class: the first OUTPUT probe.
void CheckLabels(const std::vector<std::string>& labels, const engine::Network& network,
                 std::vector<std::string>& violations) {
  if (labels.empty()) {
    return;
  }
  const std::vector<std::int64_t>& probes = network.output_probes();
  const std::int64_t outputs = probes.empty() ? 0 : network.size(network.probe_target(probes.front()));
  if (static_cast<std::int64_t>(labels.size()) == outputs) {
    return;
  }
  violations.push_back("defaults: class_labels: got " + std::to_string(labels.size()) + ", wanted " +
                       std::to_string(outputs) + ", one for each output of the first OUTPUT probe, or none");
}

std::string Describe(const std::vector<std::string>& violations) {
  std::string text = "the definition has " + std::to_string(violations.size()) +
                     (violations.size() == 1 ? " violation:" : " violations:");
  for (std::size_t i = 0; i < std::min(violations.size(), kMaxListed); ++i) {
    text += "\n- " + violations[i];
  }
  return text;
}

}  // namespace

std::int64_t NetworkLoader::EstimateUploadBytes(std::int64_t upload_bytes) const { return 2 * upload_bytes; }

Status NetworkLoader::CheckFreeSpace(std::int64_t upload_bytes) const {
  return context_.repository == nullptr ? Status() : context_.repository->CheckFreeSpace(upload_bytes);
}

Result<NetworkRegistry::Claim> NetworkLoader::Begin(const std::string& name, std::int64_t version) const {
  const NetworkRepository* repository = context_.repository;
  if (Status owned = repository ? repository->Own() : Status(); !owned.ok()) {
    return owned;
  }
  auto claim = context_.registry.BeginLoad(name, version, repository ? repository->HighestVersion(name) : 0);
  if (!claim.ok() || repository == nullptr || !repository->Has(name, claim.value().version())) {
    return claim;
  }
  return AlreadyExists("network " + Quote(name) + " version " + std::to_string(claim.value().version()) +
                       " is stored, but not loaded; choose another version, or unload this one, which "
                       "deletes its file");
}

Result<NetworkHandle> NetworkLoader::Load(NetworkRegistry::Claim claim, Upload upload) const {
  return Guarded([&] { return LoadChecked(std::move(claim), upload); }, kLoading);
}

Result<NetworkHandle> NetworkLoader::LoadChecked(NetworkRegistry::Claim claim, Upload& upload) const {
  const auto stopped = [&upload] { return upload.cancelled.stop_requested(); };
  if (stopped()) {
    return Status(StatusCode::kCancelled, "cancelled before the network was loaded");
  }
  auto made = MakeResident(upload.bytes, upload.mode, stopped);
  if (!made.ok()) {
    return made.status();
  }
  NetworkEntry& entry = *made.value();
  entry.name = claim.name();
  entry.version = claim.version();
  entry.sha256 = ToHex(upload.sha256);
  entry.share = std::make_shared<const NetworkShares::Share>(std::move(upload.share));
  if (context_.on_demand) {
    auto outline = Outline(entry);
    if (!outline.ok()) {
      return outline.status();
    }
    entry.outline = std::move(outline).value();
  }
  if (upload.cancelled.stop_requested()) {
    return Status(StatusCode::kCancelled, "cancelled by the client before the network was stored");
  }
  if (Status stored = Store(claim, upload, entry.share->owner()); !stored.ok()) {
    return stored;
  }
  return context_.registry.Publish(std::move(claim), std::move(made).value());
}

Status NetworkLoader::Store(const NetworkRegistry::Claim& claim, const Upload& upload,
                            const std::string& owner) const {
  if (context_.repository == nullptr) {
    return {};
  }
  return context_.repository->Write(claim.name(), claim.version(), upload.mode, upload.bytes, upload.sha256,
                                    owner);
}

Result<NetworkHandle> NetworkLoader::LoadStored(const StoredVersion& stored) const {
  return Guarded([&] { return LoadStoredChecked(stored); }, kLoading);
}

Result<NetworkHandle> NetworkLoader::LoadStoredChecked(const StoredVersion& stored) const {
  auto claim = context_.registry.BeginLoad(stored.name, stored.version, 0);
  if (!claim.ok()) {
    return claim.status();
  }
  auto entry = ReadStored(stored, !context_.on_demand);
  if (!entry.ok()) {
    return entry.status();
  }
  return context_.on_demand
             ? context_.registry.Keep(std::move(claim).value(), std::move(entry.value()->outline))
             : context_.registry.Publish(std::move(claim).value(), std::move(entry).value());
}

Result<std::unique_ptr<NetworkEntry>> NetworkLoader::ReadStored(const StoredVersion& stored,
                                                                bool resident) const {
  MemoryBudget::Reservation reservation;
  auto file = ReadFile(stored, reservation);
  if (!file.ok()) {
    return file.status();
  }
  const std::string& bytes = file.value().payload;
  auto made = resident ? MakeResident(bytes, file.value().mode, {}) : Check(bytes, file.value().mode);
  if (!made.ok()) {
    return made.status();
  }
  NetworkEntry& entry = *made.value();
  entry.name = stored.name;
  entry.version = stored.version;
  entry.sha256 = ToHex(file.value().sha256);
  entry.share = std::make_shared<const NetworkShares::Share>(shares_->Take(
      context_.repository->Owner(stored.name, stored.version), static_cast<std::int64_t>(bytes.size())));
  if (context_.on_demand) {
    auto outline = Outline(entry);
    if (!outline.ok()) {
      return outline.status();
    }
    entry.outline = std::move(outline).value();
  }
  return made;
}

// `reservation` covers it, as long as that is.
Result<NetworkFile> NetworkLoader::ReadFile(const StoredVersion& stored,
                                            MemoryBudget::Reservation& reservation) const {
  const auto size = context_.repository->PayloadBytes(stored.name, stored.version, context_.max_upload_bytes);
  if (!size.ok()) {
    return size.status();
  }
  auto reserved = context_.budget.Reserve(EstimateUploadBytes(size.value()), "reading the file");
  if (!reserved.ok()) {
    return reserved.status();
  }
  reservation = std::move(reserved).value();
  return context_.repository->Read(stored.name, stored.version, context_.max_upload_bytes);
}

void NetworkLoader::Unload(const std::string& name, std::int64_t version, Unloaded done) const {
  // Reports when the last of this function and the registry has let go of it.
  struct Pending {
    explicit Pending(Unloaded report) : done(std::move(report)) {}
    ~Pending() { done(std::move(result)); }
    Unloaded done;
    Result<std::vector<std::int64_t>> result{Internal("unloading did not finish")};
  };
  const auto pending = std::make_shared<Pending>(std::move(done));
  pending->result = Guarded([&] { return UnloadEach(name, version, pending); }, kLoading);
}

Result<std::vector<std::int64_t>> NetworkLoader::UnloadEach(const std::string& name, std::int64_t version,
                                                            const std::shared_ptr<void>& until_freed) const {
  if (context_.aliases != nullptr) {
    if (Status status = context_.aliases->CheckUnload(name, version); !status.ok()) {
      return status;
    }
  }
  std::vector<std::int64_t> unloaded;
  Status uncertain;
  for (const std::int64_t known : Known(name, version)) {
    const StoreRemoval removal = RemoveStored(name, known);
    if (removal.stays) {
      return Status(removal.status.code(),
                    "version " + std::to_string(known) +
                        " stays, as its file cannot be deleted: " + removal.status.message());
    }
    if (!removal.status.ok()) {
      uncertain = Status(removal.status.code(), "version " + std::to_string(known) +
                                                    " is unloaded and its file deleted, but a crash of the "
                                                    "machine may bring it back: " +
                                                    removal.status.message());
    }
    const auto freed = context_.registry.Unload(name, known, until_freed);
    if (!freed.ok() && freed.status().code() != StatusCode::kNotFound) {
      return freed;
    }
    unloaded.push_back(known);
  }
  if (unloaded.empty()) {
    return context_.registry.Unload(name, version, until_freed);  // says why there is none
  }
  if (!uncertain.ok()) {
    return uncertain;
  }
  return unloaded;
}

NetworkLoader::StoreRemoval NetworkLoader::RemoveStored(const std::string& name, std::int64_t version) const {
  const NetworkRepository* repository = context_.repository;
  if (repository == nullptr) {
    return {};
  }
  if (Status owned = repository->Own(); !owned.ok()) {  // also where its owner has deleted the file
    return {std::move(owned), true};
  }
  Status removed = repository->Remove(name, version);
  const bool stays = !removed.ok() && !repository->IsGone(name, version);
  return {std::move(removed), stays};
}

// The versions that `version` means, 0 being all: loaded or stored, but not on their way in.
std::vector<std::int64_t> NetworkLoader::Known(const std::string& name, std::int64_t version) const {
  std::set<std::int64_t> known;
  if (context_.repository != nullptr) {
    const std::vector<std::int64_t> stored = context_.repository->Versions(name);
    known.insert(stored.begin(), stored.end());
  }
  for (const NetworkListing& listing : context_.registry.List()) {
    if (listing.name != name) {
      continue;
    }
    if (listing.state == NetworkState::kLoading) {
      known.erase(listing.version);
    } else {
      known.insert(listing.version);
    }
  }
  if (version == 0) {
    return {known.begin(), known.end()};
  }
  return known.count(version) == 0 ? std::vector<std::int64_t>() : std::vector<std::int64_t>{version};
}

Result<engine::Network> NetworkLoader::Parse(std::string_view bytes, NetworkEntry& entry) const {
  Result<ParsedNetwork> parsed = context_.parse(bytes);
  if (!parsed.ok()) {
    return parsed.status();
  }
  NetworkMetadata& metadata = entry.metadata = std::move(parsed.value().metadata);
  entry.reservation = std::move(parsed.value().reservation);
  auto network = engine::Network::Create(std::move(parsed.value().definition), context_.limits);
  std::vector<std::string>& violations = parsed.value().violations;
  if (network.ok()) {
    CheckLabels(metadata.class_labels, network.value(), violations);
  }
  if (violations.empty()) {
    return network;
  }
  return InvalidArgument(Describe(violations) + (network.ok() ? "" : "\n" + network.status().message()));
}

// What can be known of a network without making it resident.
Result<std::unique_ptr<NetworkEntry>> NetworkLoader::Check(std::string_view bytes, engine::Mode mode) const {
  auto entry = std::make_unique<NetworkEntry>();
  auto network = Parse(bytes, *entry);
  if (!network.ok()) {
    return network.status();
  }
  entry->mode = mode;
  entry->backend = context_.backend.name();
  entry->loaded_at = std::chrono::system_clock::now();
  entry->network = std::make_shared<const engine::Network>(std::move(network).value());
  entry->definition_bytes = static_cast<std::int64_t>(bytes.size());
  entry->parsed_bytes = entry->reservation.bytes();
  const auto estimate = context_.backend.EstimateBytes(*entry->network, mode);
  if (!estimate.ok()) {
    return estimate.status();
  }
  entry->estimate_bytes = estimate.value() + entry->metadata.bytes();
  return entry;
}

Result<std::unique_ptr<NetworkEntry>> NetworkLoader::MakeResident(std::string_view bytes, engine::Mode mode,
                                                                  const StopCheck& stopped,
                                                                  const NetworkEntry* known) const {
  auto checked = Check(bytes, mode);
  if (!checked.ok()) {
    return checked.status();
  }
  std::unique_ptr<NetworkEntry>& entry = checked.value();
  if (known != nullptr) {
    entry->warm_up_bytes = known->warm_up_bytes;
  }
  auto reservation = context_.budget.Reserve(entry->estimate_bytes, "the network");
  if (!reservation.ok()) {
    return reservation.status();
  }
  entry->reservation = std::move(reservation).value();
  auto resident = context_.backend.Load(entry->network, mode, stopped);
  if (!resident.ok()) {
    return resident.status();
  }
  entry->resident = std::move(resident).value();
  entry->reservation.ShrinkTo(entry->resident->bytes() + entry->metadata.bytes());
  if (Status warm = WarmUp(*entry, stopped); !warm.ok()) {
    return warm;
  }
  return std::move(entry);
}

Status NetworkLoader::WarmUp(const NetworkEntry& entry, const StopCheck& stopped) const {
  const auto checked = engine::CheckedSpec::Create(*entry.network, WarmUpSpec(*entry.network));
  if (!checked.ok()) {
    return checked.status();
  }
  const engine::CheckedSpec& spec = checked.value();
  *entry.warm_up_bytes = entry.resident->EstimateRunBytes(spec, 1);
  const auto reservation = context_.budget.Reserve(*entry.warm_up_bytes, "the warm-up run");
  if (!reservation.ok()) {
    return reservation.status();
  }
  std::int64_t largest = 1;
  for (const std::int64_t input : entry.network->inputs()) {
    largest = std::max(largest, entry.network->size(input));
  }
  const std::vector<float> zeros(static_cast<std::size_t>(largest), 0.0F);
  const auto* data = reinterpret_cast<const std::byte*>(zeros.data());
  const std::vector<engine::SampleInputs> samples{{engine::InputAddresses(spec->inputs.size(), data)}};
  auto simulation = entry.resident->NewSimulation(spec, samples);
  if (!simulation.ok()) {
    return simulation.status();
  }
  if (Status status = simulation.value()->Advance(kWarmUpSteps, stopped); !status.ok()) {
    return status;
  }
  return simulation.value()->Read().status();
}

}  // namespace spikeserve::serving
