#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/network/network.h"

namespace spikeserve::bench {

// A network with a number of steps, and the batches it is timed with.
struct Case {
  std::string name;
  std::string network;  // FILE.spk in the data folder, or the name of a seeded network
  std::int64_t steps = 0;
  std::vector<std::int64_t> batches;
  bool bytes = false;              // images as uint8; else as float32
  std::int64_t gate_samples = 0;   // that the correctness gate compares
  std::int64_t plain_samples = 0;  // of these also on the plain loops, which are slow
  bool memory = false;             // its neurons are exchanged for rectified ones with memory
};

// All cases of the benchmark, quick ones first.
const std::vector<Case>& Cases();

struct LoadedCase {
  std::shared_ptr<const engine::Network> network;
  std::vector<float> floats;         // [samples, in_size]
  std::vector<std::uint8_t> bytes;   // likewise, where the case has bytes
  std::vector<std::uint8_t> labels;  // [samples], where they are known
};

// The network and at least `samples` inputs; images repeat where there are fewer. Throws std::runtime_error
// where a file is missing or damaged.
LoadedCase LoadCase(const Case& one, const std::filesystem::path& data, std::int64_t samples);

}  // namespace spikeserve::bench
