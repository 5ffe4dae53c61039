#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "server/serving/networks/network_entry.h"
#include "tests/support/definitions.h"
#include "tests/support/fake_backend.h"

namespace spikeserve::testing {

// SmallMlp on a fake backend, as the registry holds it. Throws where it is refused.
inline std::unique_ptr<serving::NetworkEntry> MakeEntry(const std::shared_ptr<FakeScript>& script,
                                                        const std::string& name = "net",
                                                        std::int64_t version = 1) {
  auto entry = std::make_unique<serving::NetworkEntry>();
  entry->name = name;
  entry->version = version;
  entry->backend = "fake";
  auto network = engine::Network::Create(SmallMlp(), {});
  if (!network.ok()) {
    throw std::runtime_error(network.status().message());
  }
  entry->network = std::make_shared<const engine::Network>(std::move(network).value());
  entry->resident = FakeBackend(script).Load(entry->network, engine::Mode::kExact).value();
  return entry;
}

}  // namespace spikeserve::testing
