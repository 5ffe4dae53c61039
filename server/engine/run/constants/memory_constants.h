#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/math/memory.h"
#include "kernels/math/memory_function.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// What a layer with memory needs at one dt, [neuron], in units of 2^-shift spikes: Z_t = A_t + t * bias, with
// A_t what its sources have brought, and what it has sent by step t is N_t = g(Z_t, start, t). All of it is
// rounded once, ties to even; what would pass 2^62 is 2^62, which no run takes (kLargestMemory).
struct MemoryConstants {
  std::vector<std::int64_t> bias;     // of one step: with gain and dt
  std::vector<std::int64_t> start;    // the initial voltage
  std::vector<std::int64_t> ceiling;  // of one step: Z_t is at most t times it. Empty: no bound
  std::vector<double> unit;           // 2^shift
  std::vector<std::uint8_t> shift;
  std::vector<std::vector<std::int64_t>> offsets;  // [term], of one step: what uint8_offset adds. Or empty
  std::int64_t slope = 0;                          // below 0, in 2^-math::kSlopeBits; 0: N is at least 0
  bool may_be_negative = false;                    // N, of some neuron
  // Of neurons that send a function of the mean (kernels/math/memory_function.h); else kNone.
  math::MeanFunction function = math::MeanFunction::kNone;
  double alpha = 0, dt_s = 0;
  std::int64_t row = 1;  // neurons of a row
  // [neuron]: spikes of a step for an f of 1; of a product, for one spike a step of both sources.
  std::vector<double> rate;
  std::vector<double> start_spikes;                                      // [neuron]: the initial voltage
  std::int64_t largest_bias = 0, largest_start = 0, largest_offset = 0;  // in magnitude
  // After so many neurons all of these begin anew, as the channels of a convolution do; else all neurons.
  std::int64_t period = 0;

  // Sets the period, to `channels` where that is one.
  void FindPeriod(std::int64_t channels);
  // Of the next term.
  void AddOffsets(std::span<const float> of_term);
  // What neurons start from with these settings, and the largest of it.
  void SetStart(const Plan& plan, const Layer& layer, const RunSettings& settings);
  // Whether N = max((Z + start) >> shift, 0), without bound and slope.
  bool IsRectified() const { return function == math::MeanFunction::kNone && slope == 0 && ceiling.empty(); }
  // N of all neurons after `steps` >= 1 steps, of a Z that is in range.
  void Send(std::span<const std::int64_t> z, std::int64_t steps, std::span<std::int64_t> sent) const;
  // Whether the biases of so many steps and the start leave room for what the sources bring.
  bool Fits(std::int64_t steps) const;
  // The largest number of steps for which they do; -1: none.
  std::int64_t MostSteps() const;

 private:
  std::int64_t SentByOne(std::size_t j, std::int64_t z, std::int64_t steps) const;
  void SendRows(std::span<const std::int64_t> z, std::int64_t steps, std::span<std::int64_t> sent) const;
};

constexpr std::int64_t kLargestMemory = math::kMostReceived;
constexpr std::int64_t kMostSent = math::kMostSent;

// RN(value), within 2^62; that too where it is not a number.
std::int64_t RoundMemory(double value);

// Of a layer with memory, without offsets.
MemoryConstants MakeMemoryConstants(const Plan& plan, const Layer& layer, const RunSettings& settings);

}  // namespace spikeserve::engine
