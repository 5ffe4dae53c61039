#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network.h"
#include "server/engine/run/backend.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_statistics.h"
#include "server/serving/networks/run_costs.h"
#include "server/serving/tenants/network_shares.h"

namespace spikeserve::serving {

// A function that clients apply to the readout of a probe, in the numbers of the wire; only they compute it.
struct OutputActivation {
  int function = 0;  // 0: none
  double alpha = 0;
  std::optional<double> max_value = std::nullopt;
  double threshold = 0;
};

// The values of an input that the conversion was calibrated on.
struct InputRange {
  std::string input;
  double lowest = 0;
  double highest = 0;
  double mean_magnitude = 0;
};

// What travels with a network and never reaches the engine.
struct NetworkMetadata {
  std::vector<std::string> class_labels;
  std::string source_format;
  std::string source_sha256;
  std::string converter_version;
  std::vector<std::string> notes;
  int output_kind = 0;  // what the outputs say, by its number on the wire; only clients read it
  std::vector<OutputActivation> activations;  // by probe of the definition, up to the last that has one
  std::vector<InputRange> input_ranges;

  // What it takes in memory, about; 0 where it is empty.
  std::int64_t bytes() const {
    std::size_t total = source_format.size() + source_sha256.size() + converter_version.size();
    for (const auto* texts : {&class_labels, &notes}) {
      for (const std::string& text : *texts) {
        total += sizeof(std::string) + text.size();
      }
    }
    for (const InputRange& range : input_ranges) {
      total += sizeof(InputRange) + range.input.size();
    }
    total += sizeof(OutputActivation) * activations.size();
    return static_cast<std::int64_t>(total);
  }
};

// What the bytes of a definition say, and what is wrong with them.
struct ParsedNetwork {
  engine::NetworkDefinition definition;
  NetworkMetadata metadata;
  std::vector<std::string> violations;         // what the definition cannot express, e.g. unknown enum values
  MemoryBudget::Reservation reservation = {};  // of all of it, but the weights
};

// Reads a serialized definition. Injected, as only the layer above knows the wire format. Fails only
// where nothing more can be said about the bytes than that.
using ParseNetwork = std::function<Result<ParsedNetwork>(std::string_view bytes)>;

// A number that no other network of this process has had.
inline std::uint64_t NextInstance() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

// Who holds a network, as long as that is. Thread-safe.
struct NetworkUse {
  std::atomic<std::int64_t> holders = 0;
  std::atomic<std::uint64_t> last = 0;  // when one came or went, in uses of all networks since the start
};

// A network on a device under a name and version. Immutable, but for what is counted of its use. Members go
// in reverse order: first the device memory, last the reservation that covered it. An outline of one has no
// `resident`, and a network without values: it is what there is to show of a network that is only stored.
struct NetworkEntry {
  std::string name;
  std::int64_t version = 0;
  std::uint64_t instance = NextInstance();  // tells it from others that had the same version
  engine::Mode mode = engine::Mode::kExact;
  std::string backend;
  std::string sha256;  // of the serialized definition, hex
  NetworkMetadata metadata;
  std::chrono::system_clock::time_point loaded_at;
  std::shared_ptr<NetworkStatistics> statistics = std::make_shared<NetworkStatistics>();
  std::shared_ptr<RunCosts> costs = std::make_shared<RunCosts>();
  std::shared_ptr<NetworkUse> use = std::make_shared<NetworkUse>();
  std::shared_ptr<const NetworkShares::Share> share;  // of its owner; null: nobody's
  std::int64_t definition_bytes = 0;                  // serialized
  std::int64_t estimate_bytes = 0;                    // of what it takes where it is resident, at most
  std::int64_t parsed_bytes = 0;                      // of its definition while it is loaded, but the weights
  // Of the run that a load ends with; 0 until one has come so far.
  std::shared_ptr<std::atomic<std::int64_t>> warm_up_bytes = std::make_shared<std::atomic<std::int64_t>>(0);
  std::uint64_t id = 0;                         // of this stay in memory, by the registry
  std::shared_ptr<const NetworkEntry> outline;  // null: it stays resident until it is unloaded
  MemoryBudget::Reservation reservation;
  std::shared_ptr<const engine::Network> network;
  std::unique_ptr<const engine::ResidentNetwork> resident;

  // What it holds on host and device.
  std::int64_t resident_bytes() const { return resident ? resident->bytes() : 0; }
};

// Keeps a network resident for as long as a request needs it. Dropping the last handle of an unloaded
// network frees it on the registry's own thread, never on the thread that drops it.
using NetworkHandle = std::shared_ptr<const NetworkEntry>;

}  // namespace spikeserve::serving
