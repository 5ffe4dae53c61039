#include "server/app/network_store.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "server/base/quote.h"

namespace spikeserve::app {
namespace {

using serving::Ownership;
using serving::StoreEvent;

constexpr std::size_t kMaxStrangers = 100;  // named in the log; one folder too high has any number of them

const char* RoleName(Ownership ownership) {
  switch (ownership) {
    case Ownership::kOwner: return "owner";
    case Ownership::kUnlocked: return "owner without a lock";
    case Ownership::kFollower: return "follower";
    case Ownership::kUnable: return "reader";
  }
  return "unknown";
}

void LogStanding(const serving::Standing& standing, const std::string& directory, const rpc::EventLog& log) {
  const rpc::EventLog::Fields fields{{"folder", directory},
                                     {"role", std::string(RoleName(standing.ownership))},
                                     {"message", standing.may_write.message()}};
  switch (standing.ownership) {
    case Ownership::kOwner: return log.Info("repository_role", {fields[0], fields[1]});
    case Ownership::kFollower: return log.Info("repository_role", fields);
    case Ownership::kUnlocked:
      return log.Warn("repository_role",
                      {fields[0],
                       fields[1],
                       {"message", std::string("the file system has no locks: see to it that no other server "
                                               "writes to this folder (--repository-role follower)")}});
    case Ownership::kUnable: return log.Warn("repository_role", fields);
  }
}

// Of the role that was asked for.
Status CheckRole(const Config& config, const serving::Standing& standing) {
  const bool owned = standing.may_write.ok();
  if (owned || config.repository_role == "follower") {
    return {};
  }
  if (config.repository_role == "owner") {
    return FailedPrecondition("--repository-role owner: " + standing.may_write.message());
  }
  if (config.repository_poll_seconds > 0 || standing.ownership != Ownership::kFollower) {
    return {};
  }
  return FailedPrecondition(
      "--network-repository " + config.network_repository + ": " + standing.may_write.message() +
      "; to serve the same networks from here, follow it by --repository-poll-seconds, or "
      "serve what is stored now by --repository-role follower");
}

}  // namespace

Result<std::optional<serving::NetworkRepository>> OpenRepository(const Config& config,
                                                                 const rpc::EventLog& log) {
  const std::string& directory = config.network_repository;
  if (directory.empty()) {
    return std::optional<serving::NetworkRepository>();
  }
  std::error_code ignored;
  const bool made = !std::filesystem::exists(directory, ignored);
  auto repository = serving::NetworkRepository::Open(
      directory, {config.repository_role != "follower",
                  [directory, &log](const serving::Standing& now) { LogStanding(now, directory, log); }});
  if (!repository.ok()) {
    return repository.status();
  }
  if (made) {  // by a slip of the pen, or as the disk is not mounted
    log.Warn("repository_made",
             {{"folder", directory}, {"message", std::string("it was not there, and is empty")}});
  }
  if (Status status = CheckRole(config, repository.value().standing()); !status.ok()) {
    return status;
  }
  return std::optional(std::move(repository).value());
}

void WarnOfStrangers(const serving::NetworkRepository& repository, const rpc::EventLog& log) {
  for (const serving::Stranger& stranger : repository.Strangers(kMaxStrangers)) {
    log.Warn("no_network", {{"path", Quote(stranger.path)}, {"message", "is " + stranger.why}});
  }
}

void LoadStored(const serving::NetworkRepository& repository, const serving::NetworkLoader& loader,
                const rpc::EventLog& log) {
  for (const serving::StoredVersion& stored : repository.List()) {
    const auto handle = loader.LoadStored(stored);
    const Status& status = handle.status();
    if (handle.ok() && !handle.value()->resident) {
      log.Info("network_stored", {{"network", stored.name}, {"version", stored.version}});
      continue;
    }
    LogStoreEvent(
        {status.ok() ? StoreEvent::Kind::kLoaded : StoreEvent::Kind::kSkipped, stored, status.message()},
        log);
  }
}

void LogStoreEvent(const StoreEvent& event, const rpc::EventLog& log) {
  const rpc::LogField network{"network", event.version.name};
  const rpc::LogField version{"version", event.version.version};
  const rpc::LogField message{"message", event.message};
  switch (event.kind) {
    case StoreEvent::Kind::kLoaded: return log.Info("network_loaded", {network, version});
    case StoreEvent::Kind::kExchanged: return log.Info("network_exchanged", {network, version});
    case StoreEvent::Kind::kUnloaded: return log.Info("network_unloaded", {network, version, message});
    case StoreEvent::Kind::kSkipped: return log.Error("network_skipped", {network, version, message});
    case StoreEvent::Kind::kAliasesRead: return log.Info("aliases_read", {network});
    case StoreEvent::Kind::kAliasesSkipped: return log.Error("aliases_skipped", {network, message});
    case StoreEvent::Kind::kLookFailed: return log.Error("repository_poll_failed", {message});
    case StoreEvent::Kind::kLookRecovered: return log.Info("repository_poll_recovered", {message});
  }
}

void TellOfNetwork(const serving::ResidencyNews& news, serving::Metrics& metrics, const rpc::EventLog& log) {
  using Kind = serving::ResidencyNews::Kind;
  switch (news.kind) {
    case Kind::kLoaded:
      metrics.CountColdStart(news.seconds);
      log.Info("network_resident", {{"network", news.name},
                                    {"version", news.version},
                                    {"bytes", news.bytes},
                                    {"seconds", news.seconds}});
      return;
    case Kind::kLoadFailed:
      metrics.CountFailedColdStart();
      log.Error("network_not_resident",
                {{"network", news.name}, {"version", news.version}, {"message", news.status.message()}});
      return;
    case Kind::kEvicted:
      metrics.CountEviction();
      log.Info("network_evicted", {{"network", news.name}, {"version", news.version}, {"bytes", news.bytes}});
      return;
  }
}

void WarnOfUnknownPins(const std::vector<serving::Pin>& pins, const serving::NetworkRegistry& registry,
                       const rpc::EventLog& log) {
  for (const serving::Pin& pin : pins) {
    if (!registry.Show(pin.name, pin.version).ok()) {
      log.Warn("pin_unknown", {{"network", pin.name}, {"version", pin.version}});
    }
  }
}

serving::RepositoryReading ReadRepository(const serving::NetworkRepository& repository,
                                          const serving::RepositoryWatch* watch) {
  const serving::Standing standing = repository.standing();
  return {repository.directory().string(), RoleName(standing.ownership), standing.may_write.ok(),
          watch != nullptr ? std::optional(watch->reading()) : std::nullopt};
}

}  // namespace spikeserve::app
