#pragma once

#include <string>
#include <vector>

// What this GPU can do, measured in this process before anything else.
namespace spikeserve::bench {

struct Ceilings {
  std::string device;
  double copy_bytes = 0;  // bytes/s, read and written
  double l2_bytes = 0;    // the same, from the L2
  double fp32_flops = 0, tf32_flops = 0, fp16_flops = 0, int8_ops = 0;
  double neuron_steps = 0;                      // scan in registers, per second
  double launch_s = 0;                          // of an empty kernel, one after the other
  double node_s = 0;                            // of an empty kernel in a graph
  double upload_bytes = 0, download_bytes = 0;  // pinned, bytes/s
};

// Throws std::runtime_error where a call fails.
Ceilings MeasureCeilings();

struct Line {
  std::string name;
  double value;
  std::string unit;
};
std::vector<Line> LinesOf(const Ceilings& ceilings);

}  // namespace spikeserve::bench
