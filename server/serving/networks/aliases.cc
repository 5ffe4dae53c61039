#include "server/serving/networks/aliases.h"

#include <algorithm>

#include "server/base/quote.h"
#include "server/serving/names.h"

namespace spikeserve::serving {
namespace {

Status NoAlias(const std::string& name, const std::string& alias) {
  return NotFound("network " + Quote(name) + " has no alias " + Quote(alias));
}

}  // namespace

std::vector<std::pair<std::string, Status>> Aliases::ReadStored() {
  std::vector<std::pair<std::string, Status>> failed;
  if (repository_ == nullptr) {
    return failed;
  }
  for (const std::string& name : repository_->Names()) {
    auto stored = repository_->ReadAliases(name);
    if (!stored.ok()) {
      failed.emplace_back(name, stored.status());
      continue;
    }
    const MutexLock lock(mu_);
    map_[name] = std::move(stored).value();
  }
  return failed;
}

Result<bool> Aliases::ReadStored(const std::string& name) {
  auto stored = Stored(name);
  if (!stored.ok()) {
    return stored.status();
  }
  const OfNetwork before = OfName(name);
  bool whole = true;
  OfNetwork now;
  for (const auto& [alias, version] : stored.value()) {
    const auto old = before.find(alias);
    const bool there = registry_.Show(name, version).ok();
    whole = whole && there;
    now[alias] = there || old == before.end() ? version : old->second;
  }
  TakeUp(name, std::move(now));
  return whole;
}

Result<std::pair<std::int64_t, std::int64_t>> Aliases::Set(const std::string& name, const std::string& alias,
                                                           std::int64_t version) {
  if (!IsValidAlias(alias)) {
    return InvalidArgument("alias: got " + Quote(alias) + ", allowed " + std::string(kNameRule) +
                           " and not a number");
  }
  const auto target = registry_.Show(name, version);
  if (!target.ok()) {
    return target.status();
  }
  auto stored = Stored(name);
  if (!stored.ok()) {
    return stored.status();
  }
  OfNetwork aliases = std::move(stored).value();
  std::int64_t& number = aliases[alias];
  const std::int64_t previous = std::exchange(number, target.value()->version);
  if (aliases.size() > kMaxAliases) {
    return ResourceExhausted("network " + Quote(name) + " has " + std::to_string(kMaxAliases) +
                             " aliases, and no more are allowed; delete one first");
  }
  if (Status status = Replace(name, std::move(aliases)); !status.ok()) {
    return status;
  }
  return std::pair(target.value()->version, previous);
}

Result<std::int64_t> Aliases::Delete(const std::string& name, const std::string& alias) {
  auto stored = Stored(name);
  if (!stored.ok()) {
    return stored.status();
  }
  OfNetwork aliases = std::move(stored).value();
  const auto found = aliases.find(alias);
  if (found == aliases.end()) {
    return NoAlias(name, alias);
  }
  const std::int64_t version = found->second;
  aliases.erase(found);
  if (Status status = Replace(name, std::move(aliases)); !status.ok()) {
    return status;
  }
  return version;
}

std::vector<std::string> Aliases::Of(const std::string& name, std::int64_t version) const {
  std::vector<std::string> names;
  const MutexLock lock(mu_);
  if (const auto found = map_.find(name); found != map_.end()) {
    for (const auto& [alias, number] : found->second) {
      if (number == version) {
        names.push_back(alias);
      }
    }
  }
  return names;
}

Status Aliases::OfAlias(const std::string& name, std::int64_t version, const Status& status) {
  if (name.find('@') == std::string::npos) {
    return status;
  }
  return Status(status.code(),
                Quote(name) + " stands for version " + std::to_string(version) + ": " + status.message())
      .RetryAfter(status.retry_after());
}

Status Aliases::CheckUnload(const std::string& name, std::int64_t version) const {
  std::string standing;
  const auto stored = Stored(name);
  for (const auto& [alias, number] : stored.ok() ? stored.value() : OfName(name)) {
    if (version == 0 || version == number) {
      standing += (standing.empty() ? "" : ", ") + name + "@" + alias;
    }
  }
  if (standing.empty()) {
    return {};
  }
  return {StatusCode::kFailedPrecondition, standing + " would stand for nothing: move or delete it before " +
                                               (version == 0 ? "network " : "version ") +
                                               (version == 0 ? Quote(name) : std::to_string(version)) +
                                               " is unloaded"};
}

Result<std::pair<std::string, std::int64_t>> Aliases::Resolve(const std::string& name,
                                                              std::int64_t version) const {
  const std::size_t at = name.find('@');
  if (at == std::string::npos) {
    return std::pair(name, version);
  }
  if (version != 0) {
    return InvalidArgument("version: got " + std::to_string(version) + " beside " + Quote(name) +
                           ", wanted an alias or a version, not both");
  }
  std::string base = name.substr(0, at);
  const std::string alias = name.substr(at + 1);
  const MutexLock lock(mu_);
  const auto network = map_.find(base);
  if (network == map_.end() || network->second.count(alias) == 0) {
    return NoAlias(base, alias);
  }
  return std::pair(std::move(base), network->second.at(alias));
}

Aliases::OfNetwork Aliases::OfName(const std::string& name) const {
  const MutexLock lock(mu_);
  const auto found = map_.find(name);
  return found == map_.end() ? OfNetwork() : found->second;
}

Result<Aliases::OfNetwork> Aliases::Stored(const std::string& name) const {
  if (repository_ == nullptr) {
    return OfName(name);
  }
  return repository_->ReadAliases(name);
}

// On the disk first, so that what was answered is there after a restart.
Status Aliases::Replace(const std::string& name, OfNetwork aliases) {
  if (repository_ != nullptr) {
    if (Status status = repository_->WriteAliases(name, aliases); !status.ok()) {
      return status;
    }
  }
  TakeUp(name, std::move(aliases));
  return {};
}

void Aliases::TakeUp(const std::string& name, OfNetwork aliases) {
  const MutexLock lock(mu_);
  if (aliases.empty()) {
    map_.erase(name);
  } else {
    map_[name] = std::move(aliases);
  }
}

}  // namespace spikeserve::serving
