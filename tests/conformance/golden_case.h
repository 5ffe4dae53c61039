#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "tests/support/npz.h"

// A golden run of tests/data/conformance (its README has the format), as the engine takes it.
namespace spikeserve::testing {

// A probe of the case and what it showed. The definition has a probe of this name; a spiking layer that is
// probed without a filter also has a probe of its spike counts, NAME.counts.
struct GoldenProbe {
  std::string name;
  bool voltage = false;
  NumpyArray expected;                   // [sample, step, size]
  std::optional<std::string> counts_of;  // the layer, where spikes are told apart
  double spike_height = 1;               // amplitude/dt of that layer
};

struct GoldenCase {
  std::string name;
  bool means_only = false;  // judged by rule "means"
  bool threshold_ties = false;
  double dt = 0;
  std::int64_t steps = 0;
  NumpyArray input;  // [sample, size] or [sample, step, size]
  std::vector<GoldenProbe> probes;
  engine::NetworkDefinition definition;
  std::string missing;  // what the engine lacks for the case; empty: nothing
};

// Names of all cases in the folder.
std::vector<std::string> GoldenCaseNames(const std::filesystem::path& folder);

// Throws std::runtime_error for a damaged case.
GoldenCase ReadGoldenCase(const std::filesystem::path& folder, const std::string& name);

}  // namespace spikeserve::testing
