#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/networks/network_repository.h"

namespace spikeserve::serving {

// Names for versions of networks, which requests give as NAME@ALIAS. A move is one step: who asks gets the
// old version or the new one. Kept in the repository, where there is one. Thread-safe; Set, Delete and
// ReadStored by one thread at a time.
class Aliases {
 public:
  // `registry` and `repository`, null for none, outlive this.
  Aliases(const NetworkRegistry& registry, const NetworkRepository* repository)
      : registry_(registry), repository_(repository) {}

  // Takes up what is stored; says what could not be read.
  std::vector<std::pair<std::string, Status>> ReadStored();
  // Takes up what is stored of one network by now. False where something of it stands for a version that is
  // not there yet: it stands for what it did before, until it is read again.
  Result<bool> ReadStored(const std::string& name);

  // Lets `alias` stand for a version that takes requests; 0 is the highest of these. Both versions: the one
  // for which it stands, and the one before or 0. INVALID_ARGUMENT, NOT_FOUND, the failures of the disk.
  Result<std::pair<std::int64_t, std::int64_t>> Set(const std::string& name, const std::string& alias,
                                                    std::int64_t version);
  // The version for which it stood. NOT_FOUND, the failures of the disk.
  Result<std::int64_t> Delete(const std::string& name, const std::string& alias);

  // Those that stand for one version, in order.
  std::vector<std::string> Of(const std::string& name, std::int64_t version) const;
  // FAILED_PRECONDITION where one stands for this version, or with 0 for any.
  Status CheckUnload(const std::string& name, std::int64_t version) const;

  // What is wrong with a network, or a version of it, that was asked for as `name`: says so where that is an
  // alias, which people know it by.
  static Status OfAlias(const std::string& name, std::int64_t version, const Status& status);

  // What `find(name, version)` says of a network that is named NAME, with a version or 0, or NAME@ALIAS. Of
  // one that an alias no longer stands for when that is looked for, nothing is said. NOT_FOUND,
  // INVALID_ARGUMENT for an alias with a version.
  template <typename Finder>
  auto Find(const std::string& name, std::int64_t version, Finder find) const
      -> decltype(find(name, version)) {
    for (std::int64_t before = -1;;) {
      const auto target = Resolve(name, version);
      if (!target.ok()) {
        return target.status();
      }
      auto found = find(target.value().first, target.value().second);
      const bool may_have_moved = name.find('@') != std::string::npos && target.value().second != before;
      if (!found.ok() && !may_have_moved) {
        return OfAlias(name, target.value().second, found.status());
      }
      if (found.ok()) {
        return found;
      }
      before = target.value().second;
    }
  }

 private:
  using OfNetwork = std::map<std::string, std::int64_t>;
  using Map = std::map<std::string, OfNetwork>;

  Result<std::pair<std::string, std::int64_t>> Resolve(const std::string& name, std::int64_t version) const;
  OfNetwork OfName(const std::string& name) const;
  // As stored, where they are: another server may have owned the repository until now.
  Result<OfNetwork> Stored(const std::string& name) const;
  Status Replace(const std::string& name, OfNetwork aliases);
  void TakeUp(const std::string& name, OfNetwork aliases);

  const NetworkRegistry& registry_;
  const NetworkRepository* const repository_;
  mutable Mutex mu_;
  Map map_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
