// Neuron-steps per second of every neuron type, and beside SpikingRectifiedLinear.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/bench/neuron_types.h"

namespace spikeserve::bench {
namespace {

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s RESULTS.json\n", argv[0]);
    return 2;
  }
  const std::vector<NeuronRow> rows = RunNeuronTypes(7, 0.1);
  nlohmann::json json = nlohmann::json::array();
  std::printf("%-32s %18s %8s %12s %7s\n", "neuron type", "M neuron-steps/s", "ratio", "spikes/step",
              "spread");
  for (const NeuronRow& row : rows) {
    if (row.correct) {
      std::printf("%-32s %18.1f %8.2f %12.3f %6.0f%%\n", row.name.c_str(), row.neuron_steps_per_s / 1e6,
                  row.to_rectified_linear, row.spikes_per_step, row.spread * 100);
    } else {
      std::printf("%-32s %18s\n", row.name.c_str(), "wrong");
    }
    json.push_back({{"neuron", row.name},
                    {"correct", row.correct},
                    {"neuron_steps_per_second", row.neuron_steps_per_s},
                    {"ratio", row.to_rectified_linear},
                    {"spikes_per_step", row.spikes_per_step},
                    {"spread", row.spread}});
  }
  std::ofstream(argv[1]) << nlohmann::json{{"rows", json}}.dump(1) << '\n';
  return std::all_of(rows.begin(), rows.end(), [](const NeuronRow& row) { return row.correct; }) ? 0 : 1;
}

}  // namespace
}  // namespace spikeserve::bench

int main(int argc, char** argv) {
  try {
    return spikeserve::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 2;
  }
}
