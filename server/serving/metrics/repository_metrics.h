#pragma once

#include <memory>
#include <optional>
#include <string>

#include "server/serving/store/repository_watch.h"

namespace prometheus {
class Registry;
}

namespace spikeserve::serving {

// The network repository at the moment somebody asks.
struct RepositoryReading {
  std::string folder;
  std::string role;
  bool owned = false;
  std::optional<WatchReading> looks;  // none: nobody polls
};

// Metrics of the network repository. Thread-safe.
class RepositoryMetrics {
 public:
  // `registry` outlives this.
  explicit RepositoryMetrics(prometheus::Registry& registry);
  ~RepositoryMetrics();

  void Show(const RepositoryReading& reading);

 private:
  struct Families;

  const std::unique_ptr<Families> families_;
};

}  // namespace spikeserve::serving
