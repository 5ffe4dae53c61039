#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/network/network.h"

namespace spikeserve::bench {

// One product of a chain with what follows it: a dense or convolutional layer (channels last) or an average
// pool. A dense layer has one pixel. All values are as the network file has them, nothing is folded.
struct ChainLayer {
  enum class Kind { kDense, kConv, kPool };
  Kind kind = Kind::kDense;
  std::int64_t in_height = 1, in_width = 1, in_channels = 0;
  std::int64_t out_height = 1, out_width = 1, out_channels = 0;
  std::int64_t kernel_height = 1, kernel_width = 1, stride_y = 1, stride_x = 1;
  std::int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  std::vector<float> weight;  // [out_channels, kernel_height, kernel_width, in_channels]
  std::vector<float> bias;    // [out_channels], zeros where the file has none

  bool spiking = false;         // a population of neurons follows
  bool rectified = false;       // SpikingRectifiedLinear; else the signed integrate-and-fire neuron
  bool remembers = false;       // or a rectified one with memory
  double amplitude = 1;         // spike height times dt
  std::vector<double> gain;     // [out_size]
  std::vector<double> offset;   // [out_size]: the neuron's own bias
  std::vector<double> voltage;  // [out_size]: at the start
  engine::Synapse synapse;      // of the connection that brings the spikes of the layer before

  std::int64_t in_size() const { return in_height * in_width * in_channels; }
  std::int64_t pixels() const { return out_height * out_width; }
  std::int64_t out_size() const { return pixels() * out_channels; }
  std::int64_t fan_in() const { return kernel_height * kernel_width * in_channels; }
  // Multiplications and additions of one pass, windows over the edge counted whole; none in a pool.
  std::int64_t macs() const { return kind == Kind::kPool ? 0 : out_size() * fan_in(); }
};

// A network without branches: what the baselines of the benchmark run.
struct Chain {
  std::vector<ChainLayer> layers;  // the last one does not spike
  engine::RunDefaults defaults;    // dt is set
  engine::Synapse probe_synapse;

  std::int64_t in_size() const { return layers.front().in_size(); }
  std::int64_t out_size() const { return layers.back().out_size(); }
  std::int64_t neurons() const;
  std::int64_t weights() const;
};

// The chain from the input to the target of the first probe. Throws std::runtime_error where the network has
// branches, or anything but dense, convolutional and pooling layers with SpikingRectifiedLinear,
// integrate-and-fire or rectified neurons with memory.
Chain MakeChain(const engine::Network& network);

}  // namespace spikeserve::bench
